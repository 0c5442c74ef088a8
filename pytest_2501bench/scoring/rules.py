"""One rule on one run's evidence: passed, failed, or no verdict; with the piece of evidence that decided.

Three-valued throughout. Under ``tasks`` a pattern holds when it matches in at least one task (elsewhere there is one
text to match, see :mod:`.targets`), so:

- a match anywhere decides, even if other tasks' evidence is absent or a pattern ran out of time there;
- without a match, anything absent leaves the rule without a verdict, negated or not;
- without a match and with all evidence at hand (also: with no task at all), it does not hold.

``negate`` then turns *holds* around and leaves *no verdict* as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pytest_2501bench.errors import Cause
from pytest_2501bench.evidence.model import Evidence
from pytest_2501bench.scenario.model import (
    CustomRule,
    JobResolutionStatus,
    PatternMatch,
    Rule,
    Scope,
    TaskCount,
    TicketStatus,
)
from pytest_2501bench.scoring.model import Finding, RuleResult, Span, Status
from pytest_2501bench.scoring.patterns import Match, PatternError, PatternTimeoutError, search
from pytest_2501bench.scoring.targets import TASK_TARGETS, Target, targets

CustomValidator = Callable[[CustomRule, Evidence], Finding]
"""Evaluates a rule type of another plugin; what it raises is its own fault and an error of the rule."""

NO_CUSTOM: Mapping[str, CustomValidator] = MappingProxyType({})
_SPAN_LENGTH = 300


def evaluate(
    rule: Rule,
    scope: Scope,
    index: int,
    evidence: Evidence,
    *,
    seconds: float = 2,
    custom: Mapping[str, CustomValidator] = NO_CUSTOM,
) -> RuleResult:
    """Return what became of *rule*. Never raises for what the evidence or a plugin's validator holds.

    Args:
        rule: the rule.
        scope: the list that it stands in.
        index: its place in that list.
        evidence: everything observed.
        seconds: the longest that its pattern may take on one target (``bench.timeouts.pattern``).
        custom: validators of other plugins by name.
    """
    if isinstance(rule, PatternMatch):
        finding = _pattern(rule, scope, evidence, seconds)
    elif isinstance(rule, JobResolutionStatus):
        finding = _resolution(rule, evidence)
    elif isinstance(rule, TicketStatus):
        finding = _ticket(rule, evidence)
    elif isinstance(rule, TaskCount):
        finding = _count(rule, evidence)
    else:
        finding = _custom(rule, evidence, custom)
    return _result(rule, scope, index, finding)


def _result(rule: Rule, scope: Scope, index: int, finding: Finding) -> RuleResult:
    reason = finding.reason
    cause: Cause | None
    if finding.holds is None:
        status, cause = Status.ERROR, finding.cause or Cause.EVIDENCE_MISSING
    elif finding.holds is not rule.negate:
        status, cause = Status.PASSED, None
    else:
        status, cause = Status.FAILED, Cause.RULE_NOT_MET
        if rule.negate:
            reason += ", which must not be"
    return RuleResult(
        scope=scope.value,
        index=index,
        label=rule.label,
        validator=rule.validator,
        required=rule.required,
        negate=rule.negate,
        status=status,
        reason=reason,
        cause=cause,
        span=finding.span,
    )


def _no_evidence(why: str) -> Finding:
    return Finding(holds=None, reason=f"no evidence: {why}", cause=Cause.EVIDENCE_MISSING)


def _pattern(rule: PatternMatch, scope: Scope, evidence: Evidence, seconds: float) -> Finding:
    absent: list[str] = []
    timed_out: list[str] = []
    for target in targets(rule.where, scope, evidence):
        absent += target.absent
        if target.text is None:
            continue
        place = target.place or rule.where.value
        try:
            match = search(rule.pattern, target.text, seconds=seconds)
        except PatternError as error:
            return Finding(holds=None, reason=str(error), cause=Cause.SCENARIO_INVALID)
        except PatternTimeoutError as error:
            timed_out.append(f"the pattern reached {error} on {place}")
            continue
        if match:
            return Finding(holds=True, reason=f"matched in {place}", span=_span(target, target.text, match))
    if timed_out:
        return Finding(holds=None, reason="; ".join(timed_out), cause=Cause.PATTERN_TIMED_OUT)
    if absent:
        return _no_evidence("; ".join(absent))
    if scope is Scope.TASKS and rule.where in TASK_TARGETS:
        return Finding(holds=False, reason="no task matches")
    return Finding(holds=False, reason=f"no match in {rule.where}")


def _span(target: Target, text: str, match: Match) -> Span:
    start, end = match.start, match.end
    # The whole lines of the match, cut around it when they are long.
    first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    last = len(text) if last < 0 else last
    if last - first > _SPAN_LENGTH:
        room = _SPAN_LENGTH - 2  # for the two marks of omission
        before = max(0, (room - (end - start)) // 2)
        left = max(first, min(start - before, last - room))
        right = min(last, left + room)
        quoted = ("…" if left > first else "") + text[left:right] + ("…" if right < last else "")
    else:
        quoted = text[first:last]
    return Span(source=target.source_at(start), text=quoted, start=start, end=end)


def _resolution(rule: JobResolutionStatus, evidence: Evidence) -> Finding:
    if evidence.job is None:
        return _no_evidence("there is no job")
    status = evidence.job.resolution_status
    if status is None:
        return _no_evidence("the engine gave no resolution status")
    span = Span(source="job.resolution_status", text=status.value)
    if status is rule.pattern:
        return Finding(holds=True, reason=f"the resolution status is '{status}'", span=span)
    return Finding(holds=False, reason=f"the resolution status is '{status}', not '{rule.pattern}'", span=span)


def _ticket(rule: TicketStatus, evidence: Evidence) -> Finding:
    if evidence.ticket is None:
        return _no_evidence("the ticket was not read")
    status = evidence.ticket.status
    if status is None:
        return _no_evidence("the ticketing system gave no status")
    span = Span(source="ticket.status", text=status[:_SPAN_LENGTH])
    if status.strip().casefold() == rule.pattern.strip().casefold():
        return Finding(holds=True, reason=f"the ticket's status is '{status}'", span=span)
    return Finding(holds=False, reason=f"the ticket's status is '{status}', not '{rule.pattern}'", span=span)


def _count(rule: TaskCount, evidence: Evidence) -> Finding:
    if evidence.job is None:
        return _no_evidence("there is no job")
    if evidence.job.tasks is None:
        return _no_evidence("the engine gave no tasks")
    count = len(evidence.job.tasks)
    words = "1 task" if count == 1 else f"{count} tasks"
    span = Span(source="job.tasks", text=words)
    limits = []
    if rule.count is not None and count != rule.count:
        limits.append(f"exactly {rule.count}")
    if rule.min is not None and count < rule.min:
        limits.append(f"at least {rule.min}")
    if rule.max is not None and count > rule.max:
        limits.append(f"at most {rule.max}")
    if limits:
        return Finding(holds=False, reason=f"{words}, not {' and '.join(limits)}", span=span)
    return Finding(holds=True, reason=words, span=span)


def _custom(rule: CustomRule, evidence: Evidence, custom: Mapping[str, CustomValidator]) -> Finding:
    name = rule.validator
    if name not in custom:
        return Finding(holds=None, reason=f"no plugin offers the validator '{name}'", cause=Cause.HARNESS_BUG)
    try:
        finding: object = custom[name](rule, evidence)
    except Exception as error:  # noqa: BLE001 - another plugin's fault must not cost the run its other verdicts
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return Finding(holds=None, reason=f"the validator '{name}' failed: {said}", cause=Cause.HARNESS_BUG)
    if not isinstance(finding, Finding):
        reason = f"the validator '{name}' returned {type(finding).__name__}, not a Finding"
        return Finding(holds=None, reason=reason, cause=Cause.HARNESS_BUG)
    return finding
