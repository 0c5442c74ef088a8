"""Both gates, row by row through the taxonomy of failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_2501bench.errors import BOTH, RULES, TABLE, TASK, Cause, Gate, Phase, Verdict
from pytest_2501bench.evidence.model import (
    Evidence,
    FailureRecord,
    PlaybookRecord,
    PlaybookStatus,
    PlaybookTask,
    TaskFailure,
)
from pytest_2501bench.scenario.model import CustomRule, Scenario
from pytest_2501bench.scoring.gates import score
from pytest_2501bench.scoring.model import Finding, Status

EvidenceOf = Callable[..., Evidence]
ScenarioOf = Callable[..., Scenario]
PASSED, FAILED, ERROR = Status.PASSED, Status.FAILED, Status.ERROR


def rule(pattern: str, **fields: Any) -> dict[str, Any]:
    return {
        "label": f"says {pattern}",
        "validator": "pattern_match",
        "pattern": pattern,
        "where": "executed_commands",
    } | fields


MET, UNMET, UNKNOWN = rule("nginx -t"), rule("reboot"), rule("x", where="task_plan")
RAN = {"executed_commands": ["nginx -t"]}


def played(
    status: PlaybookStatus = PlaybookStatus.OK,
    *,
    name: str = "validate.yml",
    phase: Phase = Phase.VALIDATE,
    tasks: tuple[tuple[str, str], ...] = (("ansible.builtin.uri", "ok"),),
    **fields: Any,
) -> dict[str, Any]:
    listed = tuple(PlaybookTask(task="t", host="web-01", action=action, status=status_) for action, status_ in tasks)
    record = PlaybookRecord(
        name=name, phase=phase, status=status, rc=0, started_at=0, seconds=1, tasks=listed, **fields
    )
    return {"playbooks": (record,)}


def failed_by(cause: Cause) -> dict[str, Any]:
    return {"failure": FailureRecord(cause=cause, phase=Phase.EXECUTE, message=f"what happened: {cause}")}


def test_both_gates_pass_when_the_host_is_fixed_and_the_rules_are_met(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf
) -> None:
    verdicts = score(scenario_of(validation={"tasks": [MET]}), evidence_of(RAN, **played()), has_validate=True)
    task, compliance = verdicts.task_validation, verdicts.compliance
    assert (task.gate, task.status, task.cause, task.reason) == (
        Gate.TASK_VALIDATION,
        PASSED,
        None,
        "validate.yml passed",
    )
    assert (compliance.gate, compliance.status, compliance.cause, compliance.score) == (
        Gate.COMPLIANCE,
        PASSED,
        None,
        1.0,
    )
    assert task.score is None
    assert verdicts.status is PASSED


# Failures of the run.


@pytest.mark.parametrize("cause", list(Cause))
def test_each_row_of_the_taxonomy_means_what_it_says(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf, cause: Cause
) -> None:
    evidence = evidence_of(RAN, **played(), **failed_by(cause))
    verdicts = score(scenario_of(validation={"tasks": [MET]}), evidence, has_validate=True)
    row = TABLE[cause]
    for gate in (verdicts.task_validation, verdicts.compliance):
        if row.verdict is Verdict.USAGE or (row.verdict is Verdict.ERROR and gate.gate in row.gates):
            assert (gate.status, gate.cause, gate.reason) == (ERROR, cause, f"what happened: {cause}")
            assert (gate.rules, gate.score) == ((), None)
        elif row.verdict is Verdict.FAILURE and gate.gate in row.gates:
            assert (gate.status, gate.cause, gate.reason) == (FAILED, cause, f"what happened: {cause}")
        else:
            assert (gate.status, gate.cause) == (PASSED, None)


def test_the_rows_that_the_gates_rely_on_are_as_designed() -> None:
    assert (TABLE[Cause.ENGINE_DIED].verdict, TABLE[Cause.ENGINE_DIED].gates) == (Verdict.ERROR, BOTH)
    assert (TABLE[Cause.JOB_TIMED_OUT].verdict, TABLE[Cause.JOB_TIMED_OUT].gates) == (Verdict.FAILURE, BOTH)
    assert (TABLE[Cause.GUARD_VIOLATED].verdict, TABLE[Cause.GUARD_VIOLATED].gates) == (Verdict.FAILURE, BOTH)
    assert (TABLE[Cause.VALIDATE_BROKEN].verdict, TABLE[Cause.VALIDATE_BROKEN].gates) == (Verdict.ERROR, TASK)
    assert (TABLE[Cause.RULE_NOT_MET].verdict, TABLE[Cause.RULE_NOT_MET].gates) == (Verdict.FAILURE, RULES)
    assert TABLE[Cause.RESTORE_FAILED].verdict is Verdict.WARNING


@pytest.mark.parametrize("cause", [Cause.JOB_TIMED_OUT, Cause.GUARD_VIOLATED])
def test_the_agents_failure_fails_both_gates_and_its_rules_are_still_listed(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf, cause: Cause
) -> None:
    scenario = scenario_of(validation={"tasks": [MET, UNMET, UNKNOWN]}, bench={"outcome": [MET]})
    verdicts = score(scenario, evidence_of(RAN, **played(), **failed_by(cause)), has_validate=True)
    assert [result.status for result in verdicts.compliance.rules] == [PASSED, FAILED, ERROR]
    assert verdicts.compliance.score == 0.5
    assert [result.status for result in verdicts.task_validation.rules] == [PASSED]
    assert verdicts.task_validation.cause is verdicts.compliance.cause is cause
    assert verdicts.status is FAILED


@pytest.mark.parametrize("cause", [Cause.ENGINE_DIED, Cause.PREPARE_FAILED])
def test_after_an_infrastructure_failure_no_rule_is_looked_at(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf, cause: Cause
) -> None:
    scenario = scenario_of(validation={"tasks": [MET]}, bench={"outcome": [UNMET]})
    verdicts = score(scenario, evidence_of(RAN, **failed_by(cause)), has_validate=False)
    for gate in (verdicts.task_validation, verdicts.compliance):
        assert (gate.status, gate.cause, gate.rules, gate.score) == (ERROR, cause, (), None)


# Task validation.


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (PlaybookStatus.UNREACHABLE, "a host could not be reached"),
        (PlaybookStatus.NO_HOSTS, "it matched no hosts"),
        (PlaybookStatus.PARSE_ERROR, "it cannot be read"),
        (PlaybookStatus.TIMED_OUT, "it passed its deadline"),
        (PlaybookStatus.CANCELLED, "it was cancelled"),
        (PlaybookStatus.RUNNER_ERROR, "it could not be run"),
    ],
)
def test_a_validate_yml_that_could_not_run_is_no_verdict(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf, status: PlaybookStatus, words: str
) -> None:
    evidence = evidence_of(RAN, **played(status, message="so\nit says"))
    verdicts = score(scenario_of(validation={"tasks": [MET]}), evidence, has_validate=True)
    task = verdicts.task_validation
    assert (task.status, task.cause) == (ERROR, Cause.VALIDATE_BROKEN)
    assert task.reason == f"validate.yml: {words}: so it says"
    assert verdicts.compliance.status is PASSED
    silent = score(scenario_of(), evidence_of(**played(status)), has_validate=True)
    assert silent.task_validation.reason == f"validate.yml: {words}"


def test_a_failed_task_is_the_agents_failure_with_its_name_place_and_message(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf
) -> None:
    failure = TaskFailure(task="the site answers", host="web-01", message="Status code was 502,\nnot 200")
    for file, place in (("validate.yml:12", " (validate.yml:12)"), (None, "")):
        record = played(PlaybookStatus.TASK_FAILED, failure=failure.model_copy(update={"file": file}))
        task = score(scenario_of(), evidence_of(**record), has_validate=True).task_validation
        assert (task.status, task.cause) == (FAILED, Cause.VALIDATE_FAILED)
        assert task.reason == f"validate.yml: [web-01] the site answers{place}: Status code was 502, not 200"


@pytest.mark.parametrize(("message", "said"), [("", "a task failed"), ("rc 2", "rc 2")])
def test_a_failed_task_that_is_not_known_is_a_failure_all_the_same(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf, message: str, said: str
) -> None:
    record = played(PlaybookStatus.TASK_FAILED, message=message)
    task = score(scenario_of(), evidence_of(**record), has_validate=True).task_validation
    assert (task.status, task.reason) == (FAILED, f"validate.yml: {said}")


@pytest.mark.parametrize(
    ("tasks", "status"),
    [
        ((), ERROR),
        ((("ansible.builtin.gather_facts", "ok"),), ERROR),
        ((("setup", "ok"),), ERROR),
        ((("ansible.builtin.uri", "skipped"), ("ansible.builtin.uri", "ignored")), ERROR),
        ((("ansible.builtin.setup", "ok"), ("ansible.builtin.uri", "ok")), PASSED),
        ((("command", "changed"),), PASSED),
    ],
)
def test_a_validate_yml_without_a_task_that_could_fail_proves_nothing(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf, tasks: tuple[tuple[str, str], ...], status: Status
) -> None:
    task = score(scenario_of(), evidence_of(**played(tasks=tasks)), has_validate=True).task_validation
    assert task.status is status
    if status is ERROR:
        assert task.cause is Cause.VALIDATE_BROKEN
        assert task.reason == "validate.yml ran no task: a check that cannot fail"


def test_a_missing_record_of_validate_yml_is_missing_evidence(evidence_of: EvidenceOf, scenario_of: ScenarioOf) -> None:
    for other in ({}, played(phase=Phase.PREPARE), played(name="prepare.yml", phase=Phase.PREPARE)):
        task = score(scenario_of(), evidence_of(**other), has_validate=True).task_validation
        assert (task.status, task.cause) == (ERROR, Cause.EVIDENCE_MISSING)


def test_a_record_counts_even_when_the_folder_is_gone(evidence_of: EvidenceOf, scenario_of: ScenarioOf) -> None:
    for name in ("validate.yml", "validate.yaml"):
        task = score(scenario_of(), evidence_of(**played(name=name)), has_validate=False).task_validation
        assert (task.status, task.reason) == (PASSED, f"{name} passed")


@pytest.mark.parametrize("outcome", [[], [rule("nginx", required=False)]])
def test_with_nothing_that_decides_there_is_no_verdict(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf, outcome: list[dict[str, Any]]
) -> None:
    task = score(scenario_of(bench={"outcome": outcome}), evidence_of(RAN), has_validate=False).task_validation
    assert (task.status, task.cause) == (ERROR, Cause.VALIDATE_BROKEN)
    assert task.reason.startswith("neither validate.yml nor a required rule in bench.outcome")
    assert len(task.rules) == len(outcome)


@pytest.mark.parametrize(
    ("outcome", "status", "cause"),
    [
        ([MET], PASSED, None),
        ([MET, UNMET], FAILED, Cause.OUTCOME_NOT_MET),
        ([UNKNOWN, UNMET], FAILED, Cause.OUTCOME_NOT_MET),
        ([MET, UNKNOWN], ERROR, Cause.EVIDENCE_MISSING),
        ([MET, UNMET | {"required": False}], PASSED, None),
    ],
)
def test_an_investigation_is_judged_by_its_outcome(
    evidence_of: EvidenceOf,
    scenario_of: ScenarioOf,
    outcome: list[dict[str, Any]],
    status: Status,
    cause: Cause | None,
) -> None:
    verdicts = score(scenario_of(bench={"outcome": outcome}), evidence_of(RAN), has_validate=False)
    task = verdicts.task_validation
    assert (task.status, task.cause) == (status, cause)
    assert [result.pointer for result in task.rules] == [f"/bench/outcome/{n}" for n in range(len(outcome))]
    assert verdicts.compliance.status is PASSED  # outcome rules are none of its business


@pytest.mark.parametrize(
    ("playbook", "outcome", "status", "cause"),
    [
        (PlaybookStatus.OK, MET, PASSED, None),
        (PlaybookStatus.OK, UNMET, FAILED, Cause.OUTCOME_NOT_MET),
        (PlaybookStatus.OK, UNKNOWN, ERROR, Cause.EVIDENCE_MISSING),
        (PlaybookStatus.TASK_FAILED, MET, FAILED, Cause.VALIDATE_FAILED),
        (PlaybookStatus.TASK_FAILED, UNMET, FAILED, Cause.VALIDATE_FAILED),
        (PlaybookStatus.TIMED_OUT, MET, ERROR, Cause.VALIDATE_BROKEN),
        (PlaybookStatus.TIMED_OUT, UNMET, FAILED, Cause.OUTCOME_NOT_MET),
    ],
)
def test_with_validate_yml_and_outcome_both_must_hold(
    evidence_of: EvidenceOf,
    scenario_of: ScenarioOf,
    playbook: PlaybookStatus,
    outcome: dict[str, Any],
    status: Status,
    cause: Cause | None,
) -> None:
    scenario = scenario_of(bench={"outcome": [outcome]})
    task = score(scenario, evidence_of(RAN, **played(playbook)), has_validate=True).task_validation
    assert (task.status, task.cause) == (status, cause)
    if status is PASSED:
        assert task.reason == "validate.yml passed; the required rule met"


@pytest.mark.parametrize("resolution", ["agentic_failure", "hard_failure", "success"])
@pytest.mark.parametrize(("playbook", "status"), [(PlaybookStatus.OK, PASSED), (PlaybookStatus.TASK_FAILED, FAILED)])
def test_the_host_decides_whatever_the_job_says_of_itself(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf, resolution: str, playbook: PlaybookStatus, status: Status
) -> None:
    evidence = evidence_of(job={"resolution_status": resolution}, **played(playbook))
    assert score(scenario_of(), evidence, has_validate=True).task_validation.status is status


# Compliance.


@pytest.mark.parametrize(
    ("rules", "status", "cause", "part", "reason"),
    [
        ([], PASSED, None, None, "no rules"),
        ([MET], PASSED, None, 1.0, "the required rule met"),
        ([MET, MET], PASSED, None, 1.0, "all 2 required rules met"),
        ([MET | {"required": False}], PASSED, None, 1.0, "no required rule"),
        ([UNMET], FAILED, Cause.RULE_NOT_MET, 0.0, "'says reboot' not met: no task matches"),
        (
            [MET, UNMET, UNMET, UNKNOWN],
            FAILED,
            Cause.RULE_NOT_MET,
            1 / 3,
            "'says reboot' not met (and 1 more): no task matches",
        ),
        (
            [UNKNOWN, MET],
            ERROR,
            Cause.EVIDENCE_MISSING,
            1.0,
            "'says x' without a verdict: no evidence: the engine gave no task_plan of task 1",
        ),
        ([UNKNOWN], ERROR, Cause.EVIDENCE_MISSING, None, None),
        ([MET, UNMET | {"required": False}], PASSED, None, 0.5, "the required rule met"),
        ([MET, UNKNOWN | {"required": False}], PASSED, None, 1.0, "the required rule met"),
        ([UNKNOWN | {"required": False}], PASSED, None, None, "no required rule"),
    ],
)
def test_compliance_is_decided_by_the_required_rules_and_scored_by_all(
    evidence_of: EvidenceOf,
    scenario_of: ScenarioOf,
    rules: list[dict[str, Any]],
    status: Status,
    cause: Cause | None,
    part: float | None,
    reason: str | None,
) -> None:
    scenario = scenario_of(validation={"tasks": rules})
    compliance = score(scenario, evidence_of(RAN, **played()), has_validate=True).compliance
    assert (compliance.status, compliance.cause) == (status, cause)
    assert compliance.score == pytest.approx(part)
    assert len(compliance.rules) == len(rules)
    if reason is not None:
        assert compliance.reason == reason


def test_rules_are_evaluated_in_the_order_of_their_scopes(evidence_of: EvidenceOf, scenario_of: ScenarioOf) -> None:
    scenario = scenario_of(validation={"tasks": [MET, UNMET], "gateway": [UNMET], "job": [MET]})
    results = score(scenario, evidence_of(RAN), has_validate=False).compliance.rules
    assert [result.pointer for result in results] == [
        "/validation/gateway/0",
        "/validation/job/0",
        "/validation/tasks/0",
        "/validation/tasks/1",
    ]


def test_the_scenarios_time_limit_for_patterns_holds_in_both_gates(
    evidence_of: EvidenceOf, scenario_of: ScenarioOf
) -> None:
    slow = rule("(a|aa)+$")
    scenario = scenario_of(validation={"tasks": [slow]}, bench={"outcome": [slow], "timeouts": {"pattern": 0.05}})
    verdicts = score(scenario, evidence_of({"executed_commands": ["a" * 60 + "b"]}), has_validate=False)
    for gate in (verdicts.task_validation, verdicts.compliance):
        assert (gate.status, gate.cause) == (ERROR, Cause.PATTERN_TIMED_OUT)
        assert "within 0.05 s" in gate.reason


def test_validators_of_plugins_count_in_both_gates(evidence_of: EvidenceOf, scenario_of: ScenarioOf) -> None:
    def mine(rule: CustomRule, _evidence: Evidence) -> Finding:
        return Finding(holds=rule.label == "good", reason="said so")

    good, bad = ({"label": label, "validator": "mine"} for label in ("good", "bad"))
    scenario = scenario_of(validation={"job": [bad]}, bench={"outcome": [good]})
    verdicts = score(scenario, evidence_of(), has_validate=False, custom={"mine": mine})
    assert (verdicts.task_validation.status, verdicts.compliance.status) == (PASSED, FAILED)
