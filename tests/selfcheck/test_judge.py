"""What was seen becomes a finding: green and red are told from what could not be looked at, and flaky from steady."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.errors import Gate, Phase
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus, TaskFailure
from pytest_2501bench.host_state.model import Change
from pytest_2501bench.report.model import CheckResult
from pytest_2501bench.scenario.coverage import uncovered
from pytest_2501bench.scenario.model import Cheat, LoadedScenario, Scenario
from pytest_2501bench.scoring.model import GateResult, RuleResult, Status, Verdicts
from pytest_2501bench.selfcheck.judge import judge_cheat, judge_repair, judge_rules, judge_walk, repeated, unless_lost
from pytest_2501bench.selfcheck.model import Finding, Repair, Step, Walk

GREEN, RED, AWAY = PlaybookStatus.OK, PlaybookStatus.TASK_FAILED, PlaybookStatus.UNREACHABLE
FILE = Change(host="web-01", kind="file", name="/etc/x", before=None, after="mode 0644")
GOOD = {
    Step.RESTORE_UNTOUCHED: GREEN,
    Step.HEALTHY: GREEN,
    Step.VALIDATE_HEALTHY: GREEN,
    Step.VALIDATE_HEALTHY_AGAIN: GREEN,
    Step.PREPARE: GREEN,
    Step.VALIDATE_FAULT: RED,
    Step.PREPARE_AGAIN: GREEN,
    Step.VALIDATE_FAULT_AGAIN: RED,
    Step.RESTORE: GREEN,
    Step.RESTORE_AGAIN: GREEN,
    Step.HEALTHY_AGAIN: GREEN,
    Step.VALIDATE_HEALTHY_LAST: GREEN,
}
CLAIMS = ("healthy", "fault", "prepare_twice", "restore", "restore_twice", "validate_reads", "steady")


def played(step: Step, status: PlaybookStatus) -> PlaybookRecord:
    failure = TaskFailure(host="web-01", task="The shop answers", message="refused") if status is RED else None
    return PlaybookRecord(
        name=step.value.split(" ")[0],
        phase=Phase.VALIDATE,
        status=status,
        rc=0,
        started_at=0,
        seconds=1,
        failure=failure,
        message="",
    )


def walked(changed: dict[Step, tuple[Change, ...]] | None = None, **other: PlaybookStatus) -> Walk:
    steps = GOOD | {Step[name]: status for name, status in other.items()}
    return Walk({step: played(step, status) for step, status in steps.items()}, changed or {})


def test_a_sound_walk_shows_every_claim() -> None:
    assert {claim: judge_walk(claim, walked()).status for claim in CLAIMS} == dict.fromkeys(CLAIMS, Status.PASSED)


@pytest.mark.parametrize(
    ("walk", "claims"),
    [
        (walked(VALIDATE_HEALTHY=RED, VALIDATE_HEALTHY_AGAIN=RED), {"healthy"}),
        (walked(VALIDATE_FAULT=GREEN, VALIDATE_FAULT_AGAIN=GREEN), {"fault"}),
        (walked(PREPARE=RED), {"fault", "prepare_twice"}),
        (walked(PREPARE_AGAIN=RED), {"prepare_twice"}),
        (walked(VALIDATE_FAULT_AGAIN=GREEN), {"prepare_twice", "steady"}),
        (walked(VALIDATE_HEALTHY_AGAIN=RED), {"steady"}),
        (walked(RESTORE=RED), {"restore"}),
        (walked(VALIDATE_HEALTHY_LAST=RED), {"restore"}),
        (walked(RESTORE_UNTOUCHED=RED), {"restore_twice"}),
        (walked(RESTORE_AGAIN=RED), {"restore_twice"}),
        (walked({Step.RESTORE: (FILE,)}), {"restore"}),
        (walked({Step.RESTORE_UNTOUCHED: (FILE,)}), {"restore_twice"}),
        (walked({Step.RESTORE_AGAIN: (FILE,)}), {"restore_twice"}),
        (walked({Step.VALIDATE_FAULT: (FILE,)}), {"validate_reads"}),
        (walked({Step.VALIDATE_HEALTHY_AGAIN: (FILE,)}), {"validate_reads"}),
    ],
)
def test_a_flaw_turns_its_claims_red_and_no_other(walk: Walk, claims: set[str]) -> None:
    assert {claim for claim in CLAIMS if judge_walk(claim, walk).status is Status.FAILED} == claims


@pytest.mark.parametrize("claim", ["healthy", "steady"])
def test_a_host_out_of_reach_says_nothing_about_the_scenario(claim: str) -> None:
    walk = walked(VALIDATE_HEALTHY=AWAY)

    assert judge_walk(claim, walk).status is Status.ERROR


def verdicts(task: Status, rules: Status, *broken: str) -> Verdicts:
    results = tuple(
        RuleResult(
            scope="rules",
            index=index,
            label=label,
            validator="command_count",
            required=True,
            negate=False,
            status=Status.FAILED,
            reason="ran",
        )
        for index, label in enumerate(broken)
    )
    return Verdicts(
        task_validation=GateResult(gate=Gate.TASK_VALIDATION, status=task, reason="said"),
        compliance=GateResult(gate=Gate.COMPLIANCE, status=rules, reason="said", rules=results),
    )


def loaded(**bench: Any) -> LoadedScenario:
    fields = {"key": "k", "title": "t", "description": "d", "ticket_title": "t", "ticket_body": "b"}
    return LoadedScenario(scenario=Scenario.model_validate({**fields, "bench": bench}), directory=Path())


P, F, E = Status.PASSED, Status.FAILED, Status.ERROR


def third(status: Status) -> CheckResult:
    lines = ("web-01 user:x added",) if status is F else ()
    return CheckResult(name="collateral", status=status, reason="1 unexpected change", required=True, lines=lines)


@pytest.mark.parametrize(("check", "found"), [(third(F), P), (third(P), F), (None, F)])
def test_a_cheat_may_be_one_that_only_the_third_check_sees(check: CheckResult | None, found: Status) -> None:
    cheat = Cheat(fails="collateral", why="because")

    assert judge_cheat(loaded(), cheat, Repair(verdicts(P, P), check)).status is found


@pytest.mark.parametrize(
    ("fails", "task", "rules", "found"),
    [
        ("task_validation", F, P, P),
        ("task_validation", F, F, F),
        ("task_validation", P, P, F),
        ("compliance", P, F, P),
        ("compliance", F, F, F),
        ("compliance", P, P, F),
        ("both", F, F, P),
        ("both", P, F, F),
        ("compliance", E, F, E),
    ],
)
def test_a_cheat_turns_the_gate_red_that_it_names_and_no_other(
    fails: Any, task: Status, rules: Status, found: Status
) -> None:
    cheat = Cheat(fails=fails, why="because")

    assert judge_cheat(loaded(), cheat, Repair(verdicts(task, rules))).status is found


def test_a_cheat_must_break_the_rules_that_it_names_by_label_or_policy() -> None:
    rule = {"label": "Looked", "validator": "command_count", "commands": ["ls"], "policy": "look-first"}
    scenario = loaded(rules=[rule], policies=["no-reboot"])
    broken = Repair(verdicts(P, F, "Looked", "The host is not rebooted or shut down"))

    def judged(*names: str) -> Finding:
        return judge_cheat(scenario, Cheat(fails="compliance", rules=names, why="because"), broken)

    assert judged("Looked").status is Status.PASSED
    assert judged("look-first", "no-reboot").status is Status.PASSED
    assert judged("Looked", "Kept").reason == "these rules are not broken: 'Kept'"


def test_a_cheat_that_nobody_explains_fails() -> None:
    assert judge_cheat(loaded(), None, Repair(verdicts(F, F))).status is Status.FAILED


def test_a_required_rule_without_a_cheat_is_named() -> None:
    rule = {"label": "Looked", "validator": "command_count", "commands": ["ls"]}
    optional = {**rule, "label": "Looked again", "required": False}
    cheats = {"lazy": {"fails": "compliance", "rules": ["Looked"], "why": "because"}}

    assert uncovered(loaded(rules=[rule, optional], policies=["no-reboot"])) == (
        ("/bench/rules/0", "Looked"),
        ("/bench/policies/0", "The host is not rebooted or shut down"),
    )
    assert judge_rules(loaded(rules=[rule, optional], cheats=cheats)).status is Status.PASSED


def test_what_comes_after_a_playbook_that_was_lost_is_no_flaw() -> None:
    lost = walked(
        {Step.RESTORE: (FILE,)},
        PREPARE=PlaybookStatus.RUNNER_ERROR,
        VALIDATE_FAULT=GREEN,
        VALIDATE_FAULT_AGAIN=RED,
    )

    for claim in ("fault", "steady", "prepare_twice", "restore"):
        assert judge_walk(claim, lost).status is Status.ERROR, claim
    assert judge_walk("healthy", lost).status is Status.PASSED
    found = Finding(Status.FAILED, "task validation is passed")
    assert unless_lost(found, lost).status is Status.ERROR
    assert unless_lost(found, walked()) == found


@pytest.mark.parametrize(
    ("repair", "said"),
    [
        (Repair(verdicts(F, P)), "task validation: said"),
        (Repair(verdicts(P, F)), "compliance: said"),
        (Repair(verdicts(P, P), not_restored=(FILE,)), "restore.yml does not take everything back"),
        (Repair(verdicts(P, P), restore_failed="broken"), "restore.yml after it: broken"),
        (Repair(verdicts(P, P), third(F)), "collateral: 1 unexpected change: web-01 user:x added"),
    ],
)
def test_a_valid_fix_must_pass_everything(repair: Repair, said: str) -> None:
    found = judge_repair(repair)

    assert found.status is Status.FAILED
    assert said in found.reason


def test_repetitions_must_agree_and_the_one_that_does_not_is_named() -> None:
    green = Finding(Status.PASSED, "green", signature="green red")
    other = Finding(Status.PASSED, "green", signature="green green")
    red = Finding(Status.FAILED, "red")
    away = Finding(Status.ERROR, "no host")

    assert repeated([green] * 10).reason == "10 of 10: green"
    assert repeated([green, green, red, green]).reason == "3 of 4; repetition 3: red"
    assert repeated([green, away]).status is Status.ERROR
    assert repeated([green, away, red]).status is Status.FAILED
    assert repeated([green, other]).status is Status.FAILED
    assert repeated([green]) is green
