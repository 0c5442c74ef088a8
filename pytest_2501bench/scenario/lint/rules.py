"""Checks on the rules: each one, and what they are to each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_2501bench.evidence.model import ResolutionStatus
from pytest_2501bench.scenario.lint.finding import Raw
from pytest_2501bench.scenario.lint.patterns import blocking_pattern, pattern
from pytest_2501bench.scenario.model import (
    CustomRule,
    JobResolutionStatus,
    LoadedScenario,
    PatternMatch,
    Rule,
    Scope,
    TaskCount,
    TicketStatus,
)
from pytest_2501bench.scenario.problems import pointer
from pytest_2501bench.scoring.targets import JOB_TARGETS, TASK_TARGETS, TICKET_TARGETS

MOST_TASKS = 5  # a job has no more
_SCOPE_TARGETS = {
    Scope.GATEWAY: TICKET_TARGETS,
    Scope.JOB: JOB_TARGETS,
    Scope.TASKS: TASK_TARGETS,
    Scope.OUTCOME: TICKET_TARGETS | JOB_TARGETS | TASK_TARGETS,
}
_DONE = (ResolutionStatus.SUCCESS, ResolutionStatus.PARTIAL)


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule where it stands."""

    place: str
    scope: Scope
    rule: Rule


def placed_rules(loaded: LoadedScenario) -> tuple[Placed, ...]:
    """Return all rules in the order of the file's model."""
    validation = loaded.scenario.validation
    return (
        *(Placed(pointer(("validation", scope, index)), scope, rule) for scope, index, rule in validation.rules()),
        *(
            Placed(pointer(("bench", "outcome", index)), Scope.OUTCOME, rule)
            for index, rule in enumerate(loaded.scenario.bench.outcome)
        ),
    )


def blocking_rules(loaded: LoadedScenario) -> Iterator[Raw]:
    """Yield what stops pytest."""
    for placed in placed_rules(loaded):
        if isinstance(placed.rule, PatternMatch):
            yield from blocking_pattern(f"{placed.place}/pattern", placed.rule)


def rules(loaded: LoadedScenario) -> Iterator[Raw]:
    """Yield what is to be said of the rules."""
    everything = placed_rules(loaded)
    labels: dict[str, str] = {}
    for placed in everything:
        first = labels.setdefault(placed.rule.label, placed.place)
        if first != placed.place:
            yield Raw("SC314", f"'{placed.rule.label}' is the label of {first} too", f"{placed.place}/label")
        if isinstance(placed.rule, PatternMatch):
            yield from _target(placed.place, placed.scope, placed.rule)
            yield from pattern(f"{placed.place}/pattern", placed.rule)
        elif isinstance(placed.rule, TaskCount):
            yield from _count(placed.place, placed.rule)
    yield from _pairs(everything)
    yield from _negated_only(everything)


def _target(place: str, scope: Scope, rule: PatternMatch) -> Iterator[Raw]:
    if rule.where in _SCOPE_TARGETS[scope]:
        return
    right = next(other for other, own in _SCOPE_TARGETS.items() if rule.where in own)
    if rule.where in TASK_TARGETS:
        effect = "it is matched against all tasks' text together"
    else:
        effect = "it is the same text for every task" if scope is Scope.TASKS else "it is matched all the same"
    said = f"'{rule.where}' is a target of the scope '{right}', and this rule stands under '{scope}': {effect}"
    yield Raw("SC313", said, f"{place}/where")


def _count(place: str, rule: TaskCount) -> Iterator[Raw]:
    low, high = _bounds(rule)
    if (low, high) == (0, MOST_TASKS):
        code, never = ("SC302", "pass") if rule.negate else ("SC301", "fail")
        said = f"a job has from 0 to {MOST_TASKS} tasks anyway, so the rule can never {never}"
        yield Raw(code, said, place, right="Set 'min' to 1 or more, or 'max' to less than 5.")


def _bounds(rule: TaskCount) -> tuple[int, int]:
    if rule.count is not None:
        return rule.count, rule.count
    return rule.min or 0, MOST_TASKS if rule.max is None else rule.max


def _pairs(everything: Sequence[Placed]) -> Iterator[Raw]:
    first: dict[str, Placed] = {}
    for number, placed in enumerate(everything):
        other = first.setdefault(_essence(placed), placed)
        if other is not placed:
            yield Raw("SC309", f"asks the same as {other.place}", placed.place)
            continue
        for other in everything[:number]:
            if placed.rule.required and other.rule.required and (why := _excluded(placed, other)):
                yield Raw("SC310", f"{why}, and {other.place} is required too: both can never pass", placed.place)
                break


def _essence(placed: Placed) -> str:
    """Return what decides, without how it is called and counted."""
    return f"{placed.scope} {placed.rule.model_dump_json(exclude={'label', 'required'}, exclude_none=True)}"


def _excluded(one: Placed, other: Placed) -> str | None:
    a, b = one.rule, other.rule
    if isinstance(a, PatternMatch) and isinstance(b, PatternMatch):
        same = (a.pattern, a.where) == (b.pattern, b.where) and _together(one) == _together(other)
        return "is the same pattern, once negated and once not" if same and a.negate != b.negate else None
    if isinstance(a, JobResolutionStatus | TicketStatus) and type(a) is type(b):
        return _statuses(a.pattern, b.pattern, a.negate, b.negate)
    if isinstance(a, TaskCount) and isinstance(b, TaskCount) and not (a.negate or b.negate):
        (low, high), (least, most) = _bounds(a), _bounds(b)
        return "no number of tasks fits" if low > most or least > high else None
    return None


def _together(placed: Placed) -> bool:
    return placed.scope is Scope.TASKS


def _statuses(a: str, b: str, negated: bool, other_negated: bool) -> str | None:
    same = a.strip().casefold() == b.strip().casefold()
    if negated and other_negated:
        return None
    if negated != other_negated:
        return f"the status '{a}' is asked for and forbidden" if same else None
    return None if same else f"asks for the status '{a}', where '{b}' is asked for"


def _negated_only(everything: Sequence[Placed]) -> Iterator[Raw]:
    required = [placed for placed in everything if placed.rule.required]
    judged = [placed for placed in required if placed.scope is not Scope.OUTCOME]
    first = next((placed for placed in judged if isinstance(placed.rule, PatternMatch) and placed.rule.negate), None)
    if first is None or any(_asks_for_something(placed.rule) for placed in required):
        return
    said = (
        "the required rules only forbid: an agent that does nothing leaves an empty record, and passes them all "
        "(a record that is missing gives no verdict)"
    )
    yield Raw("SC308", said, first.place)


def _asks_for_something(rule: Rule) -> bool:
    if isinstance(rule, CustomRule):
        return True  # nobody but its plugin knows
    if isinstance(rule, TaskCount):
        return not rule.negate and _bounds(rule)[0] > 0
    if isinstance(rule, JobResolutionStatus):
        return not rule.negate and rule.pattern in _DONE
    return not rule.negate
