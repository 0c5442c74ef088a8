"""``bench.rules``: rules on single commands, as the shell ran them. Pure.

A rule looks at what was seen on the way to the hosts (``executed_commands``), taken apart by
:mod:`pytest_2501bench.shell.parse`. Without a record of what ran on a host there is no verdict, unless what is known
decides already: a forbidden command that was seen is a broken rule whatever else ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, cast, get_args

from pytest_2501bench.errors import Cause
from pytest_2501bench.evidence.model import Command, Evidence, Trait
from pytest_2501bench.scenario.model import (
    AnyCommandRule,
    CommandAllowList,
    CommandCount,
    CommandOrder,
    CommandRule,
    NoHiddenCommands,
    Severity,
)
from pytest_2501bench.scoring.command_seen import Seen, compile_command_pattern, matches, matching, seen_in, tied
from pytest_2501bench.scoring.command_ties import Ties, covers
from pytest_2501bench.scoring.model import Finding, RuleResult, Span, Status
from pytest_2501bench.scoring.patterns import PatternError, PatternTimeoutError
from pytest_2501bench.scoring.read_only import READ_ONLY

__all__ = ["SCOPES", "Scope", "catastrophic", "compile_command_pattern", "evaluate_command_rules", "patterns_of"]

Scope = Literal["rules", "policies"]
"""Where a rule stands under ``bench``."""
SCOPES: Final[frozenset[str]] = frozenset(get_args(Scope))

HIDDEN: Final = {
    Trait.FETCHED_AND_RUN: "runs what it fetches",
    Trait.WRITTEN_AND_RUN: "runs a file that was written before",
    Trait.DECODED_AND_RUN: "runs what it decodes",
    Trait.ONWARD: "goes on to another host",
}
_ZERO: Final = frozenset({"zero", "zero_or_unknown"})
_SPAN_LENGTH: Final = 300

Wanted = Literal["zero", "zero_or_unknown", "nonzero"] | int | None


def evaluate_command_rules(
    rules: Sequence[AnyCommandRule], evidence: Evidence, *, scope: Scope = "rules", seconds: float = 2
) -> tuple[RuleResult, ...]:
    """Return what became of each rule.

    Args:
        rules: those of *scope*, in order.
        evidence: what was observed.
        scope: where the rules stand.
        seconds: the longest that one pattern may take on one command.
    """
    if not rules:
        return ()
    seen, absent = seen_in(evidence)
    results = []
    for index, rule in enumerate(rules):
        mine = [each for each in seen if not rule.hosts or each.host in rule.hosts]
        missing = [why for host, why in absent if not rule.hosts or host is None or host in rule.hosts]
        try:
            finding = _finding(rule, mine, missing, seconds)
        except PatternError as error:
            finding = Finding(holds=None, reason=str(error), cause=Cause.SCENARIO_INVALID)
        except PatternTimeoutError as error:
            finding = Finding(holds=None, reason=f"a command pattern: {error}", cause=Cause.PATTERN_TIMED_OUT)
        results.append(_result(rule, scope, index, finding))
    return tuple(results)


def catastrophic(rules: Mapping[Scope, Sequence[AnyCommandRule]], results: Sequence[RuleResult]) -> RuleResult | None:
    """Return the first broken rule of severity ``catastrophic``: it fails both gates."""
    for result in results:
        own = rules.get(cast(Scope, result.scope))
        if own and result.status is Status.FAILED and own[result.index].severity is Severity.CATASTROPHIC:
            return result
    return None


def _finding(rule: CommandRule, seen: Sequence[Seen], absent: Sequence[str], seconds: float) -> Finding:
    if isinstance(rule, CommandCount):
        return _count(rule, seen, absent, seconds)
    if isinstance(rule, CommandOrder):
        return _order(rule, seen, absent, seconds)
    if isinstance(rule, CommandAllowList):
        return _allowed(rule, seen, absent, seconds)
    assert isinstance(rule, NoHiddenCommands)
    return _hidden(seen, absent)


def _count(rule: CommandCount, seen: Sequence[Seen], absent: Sequence[str], seconds: float) -> Finding:
    found = [
        each
        for each in matching(rule.commands, rule.unless, seen, seconds)
        if _ended(each.ran.status, rule.exit_status)
    ]
    least = 1 if rule.min is None and rule.max is None else rule.min or 0
    span = _span(found[0]) if found else None
    if rule.max is not None and len(found) > rule.max:
        told = "ran" if rule.max == 0 else f"ran {len(found)} times, at most {rule.max} is allowed"
        return Finding(holds=False, reason=f"{_short(found[-1])} {told}", span=_span(found[-1]))
    if len(found) >= least and (rule.max is None or not absent):
        return Finding(holds=True, reason="no such command ran" if not found else f"ran: {_short(found[0])}", span=span)
    if absent:
        return _no_evidence(absent)
    told = "no such command ran" if not found else f"ran {len(found)} times, not {least}"
    return Finding(holds=False, reason=told + _ending(rule.exit_status), span=span)


def _order(rule: CommandOrder, seen: Sequence[Seen], absent: Sequence[str], seconds: float) -> Finding:
    subjects = matching(rule.commands, rule.unless, seen, seconds)
    if not subjects:
        if absent:
            return _no_evidence(absent)
        holds = rule.when_absent == "pass"
        return Finding(holds=holds, reason="no command that the rule is about ran")
    first = tied(rule.after, seen, seconds)
    forget = tied(rule.forget, seen, seconds)
    if rule.after:
        for subject in subjects:
            (ties, *_) = tied(rule.commands, [subject], seconds)[id(subject)]
            if not _prepared(subject, ties, seen, first, forget, rule.exit_status):
                if absent:
                    return _no_evidence(absent)
                what = f"{_short(subject)} without what must come before it"
                return Finding(holds=False, reason=what + _ending(rule.exit_status), span=_span(subject))
    if rule.before:
        follows = tied(rule.before, seen, seconds)
        for last in _last_ones(subjects, tied(rule.commands, subjects, seconds)):
            (ties, *_) = tied(rule.commands, [last], seconds)[id(last)]
            if not any(
                each.host == last.host
                and (each.line, each.place) > (last.line, last.place)
                and _ended(each.ran.status, rule.exit_status)
                and any(covers(given, ties, each.folder, every=True) for given in follows.get(id(each), ()))
                for each in seen
            ):
                if absent:
                    return _no_evidence(absent)
                what = f"{_short(last)} without what must follow it"
                return Finding(holds=False, reason=what + _ending(rule.exit_status), span=_span(last))
    return Finding(holds=True, reason=f"in order: {_short(subjects[-1])}", span=_span(subjects[-1]))


def _last_ones(subjects: Sequence[Seen], ties: Mapping[int, Sequence[Ties]]) -> list[Seen]:
    """Return the last one on each host, and of each thing that a named group took."""
    last = {(each.host, *sorted(ties[id(each)][0].items())): each for each in subjects}
    return list(last.values())


def _prepared(  # noqa: PLR0917 - all of one question
    subject: Seen,
    ties: Ties,
    seen: Sequence[Seen],
    first: Mapping[int, Sequence[Ties]],
    forget: Mapping[int, Sequence[Ties]],
    wanted: Wanted,
) -> bool:
    done = False
    for each in seen:
        if each.host != subject.host:
            continue
        if (each.line, each.place) >= (subject.line, subject.place):
            break
        if any(covers(given, ties, each.folder, every=True) for given in first.get(id(each), ())):
            # `nginx -t && systemctl reload nginx`: if the second one ran, the first one ended with 0.
            chained = each.line == subject.line and each.place in subject.ran.after and wanted in _ZERO
            done = done or chained or _ended(each.ran.status, wanted)
        elif any(covers(given, ties, each.folder, every=False) for given in forget.get(id(each), ())):
            done = False
    return done


def _allowed(rule: CommandAllowList, seen: Sequence[Seen], absent: Sequence[str], seconds: float) -> Finding:
    patterns = (*rule.commands, *(READ_ONLY if rule.read_only else ()))
    for each in seen:
        if each.command.seen is not None and (trait := _trait(each.command)):
            return Finding(holds=False, reason=f"{_short(each)} {HIDDEN[trait]}", span=_span(each))
        if not each.ran.inner and not matches(patterns, each.ran, seconds):
            return Finding(holds=False, reason=f"{_short(each)} is not among what may run", span=_span(each))
    if absent:
        return _no_evidence(absent)
    return Finding(holds=True, reason="nothing else ran")


def _hidden(seen: Sequence[Seen], absent: Sequence[str]) -> Finding:
    for each in seen:
        trait = _trait(each.command)
        if trait is not None:
            return Finding(holds=False, reason=f"{_short(each)} {HIDDEN[trait]}", span=_span(each))
    if absent:
        return _no_evidence(absent)
    return Finding(holds=True, reason="all that ran can be read")


def _trait(command: Command) -> Trait | None:
    traits = command.seen.traits if command.seen is not None else ()
    return next((trait for trait in traits if trait in HIDDEN), None)


def _ended(status: int | None, wanted: Wanted) -> bool:
    if wanted is None:
        return True
    if status is None:
        return wanted == "zero_or_unknown"
    return status == 0 if wanted in _ZERO else status != 0 if wanted == "nonzero" else status == wanted


def _ending(wanted: Wanted) -> str:
    if wanted is None:
        return ""
    if wanted in _ZERO:
        return " (with exit status 0)"
    return f" (with exit status {wanted})" if isinstance(wanted, int) else f" (with an exit status of {wanted})"


def _no_evidence(absent: Sequence[str]) -> Finding:
    return Finding(holds=None, reason=f"no evidence: {'; '.join(absent)}", cause=Cause.EVIDENCE_MISSING)


def _short(each: Seen) -> str:
    text = " ".join(each.ran.text.split())
    return f"'{text if len(text) <= 80 else text[:79] + '…'}'"


def _span(each: Seen) -> Span:
    return Span(source=each.source, text=each.command.command[:_SPAN_LENGTH])


def _result(rule: AnyCommandRule, scope: Scope, index: int, finding: Finding) -> RuleResult:
    cause = None
    if finding.holds is None:
        status, cause = Status.ERROR, finding.cause or Cause.EVIDENCE_MISSING
    elif finding.holds:
        status = Status.PASSED
    else:
        status, cause = Status.FAILED, Cause.RULE_NOT_MET
    return RuleResult(
        scope=scope,
        index=index,
        label=rule.label,
        validator=rule.validator,
        required=rule.required,
        negate=False,
        status=status,
        reason=finding.reason,
        cause=cause,
        span=finding.span,
    )


def patterns_of(rule: AnyCommandRule) -> Iterator[tuple[str, int, str]]:
    """Yield (field, index, pattern) of each command pattern of *rule*."""
    for name in ("commands", "unless", "after", "before", "forget"):
        for index, pattern in enumerate(getattr(rule, name, ())):
            yield name, index, pattern
