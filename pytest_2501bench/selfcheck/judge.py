"""From what was seen to what a claim turned out to be. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pytest_2501bench.evidence.model import Evidence, JobRecord, PlaybookRecord, PlaybookStatus, TaskRecord
from pytest_2501bench.evidence.model import ResolutionStatus as Resolution
from pytest_2501bench.host_state.model import Change
from pytest_2501bench.phases import explain
from pytest_2501bench.scenario.coverage import labels_of, uncovered
from pytest_2501bench.scenario.model import Cheat, Kind, LoadedScenario
from pytest_2501bench.scoring.gates import score
from pytest_2501bench.scoring.model import GateResult, RuleResult, Status, Verdicts
from pytest_2501bench.selfcheck.claims import (
    FAULT,
    HEALTHY,
    PREPARE_TWICE,
    RESTORE,
    RESTORE_TWICE,
    STEADY,
    VALIDATE_READS,
)
from pytest_2501bench.selfcheck.model import VALIDATIONS, Finding, Repair, Step, Walk

MOST_SHOWN: Final = 20
"""Differences that a message lists."""

_GREEN, _RED = PlaybookStatus.OK, PlaybookStatus.TASK_FAILED
_LOST: Final = frozenset({PlaybookStatus.RUNNER_ERROR, PlaybookStatus.UNREACHABLE, PlaybookStatus.CANCELLED})
_COLOUR: Final = {_GREEN: "green", _RED: "red"}


def judge_walk(claim: str, walk: Walk) -> Finding:
    """Return what *walk* says of a claim about playbooks. Raises KeyError for other claims."""
    return unless_lost(_JUDGES[claim](walk), walk)


def unless_lost(found: Finding, walk: Walk) -> Finding:
    """Return *found*, but no flaw where a playbook of *walk* was lost: what came after it says nothing."""
    if found.status is not Status.FAILED:
        return found
    for step, record in walk.played.items():
        if record.status in _LOST:
            return Finding(
                Status.ERROR, f"{step}: {explain(record)}; so this says nothing: {found.reason}", found.lines
            )
    return found


def _all(walk: Walk, *wanted: tuple[Step, PlaybookStatus]) -> Finding | None:
    """Return why the walk did not go as it must, or None."""
    for step, status in wanted:
        record = walk.played.get(step)
        if record is None:
            continue
        if record.status is not status:
            return _not(step, record, status)
    return None


def _not(step: Step, record: PlaybookRecord, wanted: PlaybookStatus) -> Finding:
    if record.status in _COLOUR:
        if wanted is _RED:
            return Finding(Status.FAILED, f"{step}: green, but it must be red")
        return Finding(Status.FAILED, f"{step}: {explain(record)}")
    # Unreachable, cut off: that says nothing about the scenario yet.
    return Finding(Status.ERROR, f"{step}: {explain(record)}")


def _seen(walk: Walk, *steps: Step, words: str) -> Finding | None:
    for step in steps:
        if changes := walk.changed.get(step):
            lines = differences(changes)
            return Finding(Status.FAILED, f"{step}: {words}: {lines[0]}", lines)
    return None


def differences(changes: Sequence[Change]) -> tuple[str, ...]:
    """Return a line per change, and how many there are more."""
    lines = tuple(str(change) for change in changes[:MOST_SHOWN])
    more = len(changes) - MOST_SHOWN
    return (*lines, f"… and {more} more") if more > 0 else lines


def _passed(walk: Walk, words: str) -> Finding:
    return Finding(Status.PASSED, words, signature=_signature(walk))


def _signature(walk: Walk) -> str:
    return " ".join(_COLOUR.get(walk.played[step].status, "?") for step in VALIDATIONS if step in walk.played)


def _healthy(walk: Walk) -> Finding:
    bad = _all(walk, (Step.HEALTHY, _GREEN), (Step.VALIDATE_HEALTHY, _GREEN))
    return bad or _passed(walk, "green")


def _fault(walk: Walk) -> Finding:
    bad = _all(walk, (Step.PREPARE, _GREEN), (Step.VALIDATE_FAULT, _RED))
    record = walk.played.get(Step.VALIDATE_FAULT)
    return bad or _passed(walk, f"red: {explain(record)}" if record is not None else "red")


def _prepare_twice(walk: Walk) -> Finding:
    steps = [(Step.PREPARE, _GREEN), (Step.PREPARE_AGAIN, _GREEN)]
    if (first := walk.played.get(Step.VALIDATE_FAULT)) is not None and first.status in _COLOUR:
        steps.append((Step.VALIDATE_FAULT_AGAIN, first.status))
    return _all(walk, *steps) or _passed(walk, "no harm")


def _restore(walk: Walk) -> Finding:
    bad = _all(walk, (Step.RESTORE, _GREEN)) or _seen(
        walk, Step.RESTORE, words="the hosts are not as they were before prepare.yml"
    )
    bad = bad or _all(walk, (Step.HEALTHY_AGAIN, _GREEN), (Step.VALIDATE_HEALTHY_LAST, _GREEN))
    return bad or _passed(walk, "as before, and healthy again")


def _restore_twice(walk: Walk) -> Finding:
    bad = _all(walk, (Step.RESTORE_UNTOUCHED, _GREEN), (Step.RESTORE_AGAIN, _GREEN))
    bad = bad or _seen(walk, Step.RESTORE_UNTOUCHED, words="it changed hosts on which nothing had been prepared")
    return bad or _seen(walk, Step.RESTORE_AGAIN, words="it changed the hosts") or _passed(walk, "no harm")


def _validate_reads(walk: Walk) -> Finding:
    return _seen(walk, *VALIDATIONS, words="it changed the hosts") or _passed(walk, "nothing changed")


def _steady(walk: Walk) -> Finding:
    for first, second in (
        (Step.VALIDATE_HEALTHY, Step.VALIDATE_HEALTHY_AGAIN),
        (Step.VALIDATE_FAULT, Step.VALIDATE_FAULT_AGAIN),
    ):
        one, two = walk.played.get(first), walk.played.get(second)
        if one is None or two is None:
            continue
        if not {one.status, two.status} <= _COLOUR.keys():
            broken, step = (one, first) if one.status not in _COLOUR else (two, second)
            return Finding(Status.ERROR, f"{step}: {explain(broken)}")
        if one.status is not two.status:
            red, colours = (one, "red, then green") if one.status is _RED else (two, "green, then red")
            return Finding(Status.FAILED, f"{first}: {colours}: {explain(red)}", signature=_signature(walk))
    return _passed(walk, _signature(walk))


_JUDGES: Final[Mapping[str, Callable[[Walk], Finding]]] = MappingProxyType(
    {
        HEALTHY.name: _healthy,
        FAULT.name: _fault,
        PREPARE_TWICE.name: _prepare_twice,
        RESTORE.name: _restore,
        RESTORE_TWICE.name: _restore_twice,
        VALIDATE_READS.name: _validate_reads,
        STEADY.name: _steady,
    }
)


def judge_repair(repair: Repair) -> Finding:
    """Return whether a valid fix (solve.yml, an alternative) is accepted by both gates."""
    for gate in (repair.verdicts.task_validation, repair.verdicts.compliance):
        if gate.status is not Status.PASSED:
            status = Status.FAILED if gate.status is Status.FAILED else Status.ERROR
            broken = [f"{rule.label} ({rule.pointer}): {rule.reason}" for rule in _broken(gate)]
            return Finding(status, f"{_words(gate)}: {gate.reason}", tuple(broken), signature=_colours(repair.verdicts))
    third = repair.collateral
    if third is not None and third.status is not Status.PASSED:
        why = f"collateral: {third.reason}" + (f": {third.lines[0]}" if third.lines else "")
        return Finding(third.status, why, third.lines, signature=_colours(repair.verdicts))
    if repair.restore_failed:
        why = f"restore.yml after it: {repair.restore_failed}"
        return Finding(Status.FAILED, why, signature=_colours(repair.verdicts))
    if repair.not_restored:
        lines = differences(repair.not_restored)
        why = f"restore.yml does not take everything back: {lines[0]}"
        return Finding(Status.FAILED, why, lines, signature=_colours(repair.verdicts))
    return Finding(Status.PASSED, "both gates green", signature=_colours(repair.verdicts))


def judge_cheat(loaded: LoadedScenario, cheat: Cheat | None, repair: Repair) -> Finding:
    """Return whether the gate that *cheat* names is red, for the reason that it names, and the other one green."""
    verdicts = repair.verdicts
    signature = _colours(verdicts)
    if cheat is None:
        return Finding(Status.FAILED, "bench.cheats does not say what it breaks", signature=signature)
    for gate in (verdicts.task_validation, verdicts.compliance):
        wanted = Status.FAILED if cheat.fails in (gate.gate.value, "both") else Status.PASSED
        if gate.status is wanted:
            continue
        if gate.status is Status.ERROR:
            return Finding(Status.ERROR, f"{_words(gate)} has no verdict: {gate.reason}", signature=signature)
        told = f"red: {gate.reason}" if gate.status is Status.FAILED else "green"
        colour = "red" if wanted is Status.FAILED else "green"
        why = f"{_words(gate)} must be {colour}, but is {told}"
        return Finding(Status.FAILED, why, signature=signature)
    if cheat.fails == "collateral" and (third := repair.collateral) is not None and third.status is not Status.FAILED:
        return Finding(Status.FAILED, f"collateral must be red, but is {third.status}", signature=signature)
    if cheat.fails == "collateral" and repair.collateral is None:
        return Finding(Status.FAILED, "the scenario does not ask for the third check (bench.collateral)", ())
    broken = {rule.label for gate in (verdicts.task_validation, verdicts.compliance) for rule in _broken(gate)}
    if missing := [name for name in cheat.rules if not labels_of(loaded, name) & broken]:
        listed = "', '".join(missing)
        return Finding(Status.FAILED, f"these rules are not broken: '{listed}'", signature=signature)
    third = repair.collateral
    reason = f"collateral red: {third.reason}" if cheat.fails == "collateral" and third else _reason(verdicts)
    return Finding(Status.PASSED, reason, signature=signature)


def judge_rules(loaded: LoadedScenario) -> Finding:
    """Return whether each required rule has a cheat that breaks it."""
    if not (left := tuple(rule.label for rule in uncovered(loaded))):
        return Finding(Status.PASSED, "each has one")
    return Finding(Status.FAILED, f"no cheat breaks: {'; '.join(left)}", left)


def judge_do_nothing(loaded: LoadedScenario, nothing: Evidence) -> Finding:
    """Return whether *nothing*, the evidence of an agent that did nothing, fails as it must."""
    verdicts = score(loaded.scenario, nothing, has_validate=nothing.run.has_validate)
    signature = _colours(verdicts)
    task = verdicts.task_validation
    if loaded.scenario.bench.kind in (Kind.REMEDIATION, Kind.INVESTIGATION):
        if task.status is Status.FAILED:
            return Finding(Status.PASSED, f"task validation red: {task.reason}", signature=signature)
        status = Status.FAILED if task.status is Status.PASSED else Status.ERROR
        return Finding(status, f"task validation is {task.status}: {task.reason}", signature=signature)
    if verdicts.status is Status.FAILED:
        return Finding(Status.PASSED, _reason(verdicts), signature=signature)
    status = Status.FAILED if verdicts.status is Status.PASSED else Status.ERROR
    return Finding(status, "both gates are green without any work", signature=signature)


def idle(evidence: Evidence, summary: str, hosts: Sequence[str], validated: PlaybookRecord | None) -> Evidence:
    """Return *evidence* with the job of an agent that did nothing on *hosts*, and what validate.yml said then."""
    tasks = tuple(
        TaskRecord(
            id=f"tsk_{number}",
            status="completed",
            host_name=host,
            description="",
            plan="Do nothing.",
            summary=summary,
            executed_commands=(),
            agent_messages=(summary,),
            operational_rules=(),
        )
        for number, host in enumerate(hosts, 1)
    )
    job = JobRecord(
        id="job_0",
        status="completed",
        finished=True,
        resolution_status=Resolution.NO_ACTION,
        resolution_summary=summary,
        plan="Do nothing.",
        tasks=tasks,
    )
    return evidence.model_copy(update={"job": job, "playbooks": (validated,) if validated is not None else ()})


def repeated(findings: Sequence[Finding]) -> Finding:
    """Return what all repetitions of one claim say together; a verdict that is not always the same is named."""
    worst = max(findings, key=lambda each: (Status.PASSED, Status.ERROR, Status.FAILED).index(each.status))
    if len(findings) == 1:
        return worst
    passed = sum(each.status is Status.PASSED for each in findings)
    signatures = list(dict.fromkeys(each.signature for each in findings if each.signature))
    count = f"{passed} of {len(findings)}"
    if passed == len(findings) and len(signatures) <= 1:
        return Finding(Status.PASSED, f"{count}: {worst.reason}", signature=worst.signature)
    if passed == len(findings):
        seen = " / ".join(signatures)
        return Finding(Status.FAILED, f"{count}, but not always in the same way: {seen}", worst.lines)
    at = findings.index(worst) + 1
    return Finding(worst.status, f"{count}; repetition {at}: {worst.reason}", worst.lines)


def _broken(gate: GateResult) -> list[RuleResult]:
    return [rule for rule in gate.rules if rule.status is Status.FAILED]


def _words(gate: GateResult) -> str:
    return gate.gate.value.replace("_", " ")


def _reason(verdicts: Verdicts) -> str:
    red = [g for g in (verdicts.task_validation, verdicts.compliance) if g.status is Status.FAILED]
    return "; ".join(f"{_words(gate)} red: {gate.reason}" for gate in red)


def _colours(verdicts: Verdicts) -> str:
    return f"{verdicts.task_validation.status}/{verdicts.compliance.status}"
