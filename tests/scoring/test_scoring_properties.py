"""What holds for any rules on any evidence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pytest_2501bench.errors import Cause, Phase
from pytest_2501bench.evidence.model import (
    Command,
    Evidence,
    FailureRecord,
    JobRecord,
    PlaybookRecord,
    PlaybookStatus,
    PlaybookTask,
    ResolutionStatus,
    RunStarted,
    TaskRecord,
    TicketRecord,
)
from pytest_2501bench.scenario.model import Rule, Scenario, Scope, Where
from pytest_2501bench.scoring.gates import score
from pytest_2501bench.scoring.model import RuleResult, Status
from pytest_2501bench.scoring.rules import evaluate

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
RUN = RunStarted(
    run_id="r", benchmark_id="b", key="k", nodeid="n", iteration=1, mode="m", gateway="g", agent=None, started_at=0,
    scenario={}, version_key={},
)  # fmt: skip
TURNED = {Status.PASSED: Status.FAILED, Status.FAILED: Status.PASSED, Status.ERROR: Status.ERROR}

# Small alphabets, so that patterns do match now and then.
texts = st.text(alphabet="ab \n", max_size=6)
lists = st.lists(texts, max_size=3).map(tuple)
maybe_text, maybe_list = st.none() | texts, st.none() | lists
tasks = st.builds(
    TaskRecord,
    id=st.just("t"),
    status=st.just("completed"),
    description=maybe_text,
    plan=maybe_text,
    summary=maybe_text,
    executed_commands=st.none() | st.lists(st.builds(Command, command=texts), max_size=3).map(tuple),
    agent_messages=maybe_list,
    operational_rules=maybe_list,
)
jobs = st.builds(
    JobRecord,
    id=st.just("j"),
    status=st.just("completed"),
    finished=st.booleans(),
    resolution_status=st.none() | st.sampled_from(ResolutionStatus),
    resolution_summary=maybe_text,
    plan=maybe_text,
    tasks=st.none() | st.lists(tasks, max_size=3).map(tuple),
)
tickets = st.builds(TicketRecord, id=st.just("k"), status=maybe_text, messages=maybe_list, summary=maybe_text)
playbooks = st.builds(
    PlaybookRecord,
    name=st.sampled_from(["validate.yml", "prepare.yml"]),
    phase=st.sampled_from([Phase.VALIDATE, Phase.PREPARE]),
    status=st.sampled_from(PlaybookStatus),
    rc=st.none(),
    started_at=st.just(0.0),
    seconds=st.just(0.0),
    tasks=st.just(()) | st.just((PlaybookTask(task="t", host="h", action="uri", status="ok"),)),
)
failures = st.builds(
    FailureRecord, cause=st.sampled_from(Cause), phase=st.none() | st.sampled_from(Phase), message=texts
)
evidences = st.builds(
    Evidence,
    run=st.just(RUN),
    job=st.none() | jobs,
    ticket=st.none() | tickets,
    playbooks=st.lists(playbooks, max_size=2).map(tuple),
    failure=st.none() | failures,
)
sound = evidences.map(lambda evidence: evidence.model_copy(update={"failure": None}))


def _rule(validator: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "label": st.just("l"),
            "validator": st.just(validator),
            "required": st.booleans(),
            "negate": st.booleans(),
            **fields,
        }
    )


counts = st.integers(0, 3)
rules = st.one_of(
    _rule(
        "pattern_match",
        pattern=st.sampled_from(["a", "^b$", "a+b", "[ab]{2}", r"\A\Z", ".*", "zz", "a\\nb"]),
        where=st.sampled_from(Where),
    ),
    _rule("job_resolution_status", pattern=st.sampled_from(ResolutionStatus)),
    _rule("ticket_status", pattern=st.sampled_from(["a", "b", " AB"])),
    _rule("task_count", min=counts),
    _rule("task_count", count=counts),
    _rule("unheard_of"),
)
scopes = st.sampled_from(Scope)
validations = st.fixed_dictionaries({scope: st.lists(rules, max_size=3) for scope in ("gateway", "job", "tasks")})
outcomes = st.lists(rules, max_size=2)


def scenario_with(validation: dict[str, Any], outcome: list[dict[str, Any]]) -> Scenario:
    fields = dict.fromkeys(("key", "title", "description", "ticket_title", "ticket_body"), "x")
    return Scenario.model_validate(fields | {"validation": validation, "bench": {"outcome": outcome}})


def judge(fields: dict[str, Any], scope: Scope, evidence: Evidence) -> RuleResult:
    return evaluate(RULE.validate_python(fields), scope, 0, evidence)


def absences(evidence: Evidence) -> list[Evidence]:
    """Return *evidence* with one thing more unknown, in every way."""
    found = [evidence.model_copy(update={"job": None}), evidence.model_copy(update={"ticket": None})]
    if ticket := evidence.ticket:
        found += [
            evidence.model_copy(update={"ticket": ticket.model_copy(update={name: None})})
            for name in ("status", "messages", "summary")
        ]
    if job := evidence.job:
        changed = [
            job.model_copy(update={name: None}) for name in ("resolution_status", "resolution_summary", "plan", "tasks")
        ]
        for index, task in enumerate(job.tasks or ()):
            for name in ("description", "plan", "summary", "executed_commands", "agent_messages", "operational_rules"):
                listed = list(job.tasks or ())
                listed[index] = task.model_copy(update={name: None})
                changed.append(job.model_copy(update={"tasks": tuple(listed)}))
        found += [evidence.model_copy(update={"job": other}) for other in changed]
    return found


quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(rules, scopes, evidences)
def test_negate_turns_a_verdict_around_and_leaves_no_verdict_as_it_is(
    fields: dict[str, Any], scope: Scope, evidence: Evidence
) -> None:
    one = judge(fields, scope, evidence)
    other = judge(fields | {"negate": not fields["negate"]}, scope, evidence)
    assert other.status is TURNED[one.status]
    assert other.span == one.span


@quick
@given(rules, scopes, evidences)
def test_losing_evidence_never_turns_a_verdict_into_the_opposite(
    fields: dict[str, Any], scope: Scope, evidence: Evidence
) -> None:
    before = judge(fields, scope, evidence)
    for poorer in absences(evidence):
        after = judge(fields, scope, poorer)
        assert after.status in (before.status, Status.ERROR), (before, after)


@quick
@given(validations, outcomes, evidences, st.booleans())
def test_losing_evidence_never_turns_a_red_gate_green(
    validation: dict[str, Any], outcome: list[dict[str, Any]], evidence: Evidence, has_validate: bool
) -> None:
    scenario = scenario_with(validation, outcome)
    before = score(scenario, evidence, has_validate=has_validate)
    for poorer in absences(evidence):
        after = score(scenario, poorer, has_validate=has_validate)
        for one, two in (
            (before.compliance, after.compliance),
            (before.task_validation, after.task_validation),
        ):
            assert two.status is not Status.PASSED or one.status is Status.PASSED


@quick
@given(validations, outcomes, evidences, st.booleans())
def test_any_evidence_has_verdicts_that_agree_with_themselves(
    validation: dict[str, Any], outcome: list[dict[str, Any]], evidence: Evidence, has_validate: bool
) -> None:
    verdicts = score(scenario_with(validation, outcome), evidence, has_validate=has_validate)
    for gate in (verdicts.task_validation, verdicts.compliance):
        assert (gate.cause is None) is (gate.status is Status.PASSED)
        assert "\n" not in gate.reason or evidence.failure
        for result in gate.rules:
            assert (result.cause is None) is (result.status is Status.PASSED)
            assert result.span is None or len(result.span.text) <= 300
    share = verdicts.compliance.score
    assert share is None or 0 <= share <= 1
    if evidence.failure is None and any(verdicts.compliance.rules):
        lost = all(result.status is Status.ERROR for result in verdicts.compliance.rules)
        assert (share is None) is lost


@quick
@given(validations, sound, st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter_to_the_gate(
    validation: dict[str, Any], evidence: Evidence, random: Any
) -> None:
    shuffled = {scope: random.sample(listed, len(listed)) for scope, listed in validation.items()}
    one = score(scenario_with(validation, []), evidence, has_validate=False).compliance
    two = score(scenario_with(shuffled, []), evidence, has_validate=False).compliance
    assert one.status is two.status
    assert one.score == pytest.approx(two.score)


@quick
@given(validations, rules, st.sampled_from(["gateway", "job", "tasks"]), evidences)
def test_an_informational_rule_never_changes_the_gate(
    validation: dict[str, Any], extra: dict[str, Any], scope: str, evidence: Evidence
) -> None:
    more = validation | {scope: [*validation[scope], extra | {"required": False}]}
    one = score(scenario_with(validation, []), evidence, has_validate=False).compliance
    two = score(scenario_with(more, []), evidence, has_validate=False).compliance
    assert (one.status, one.cause) == (two.status, two.cause)


@quick
@given(validations, outcomes, evidences)
def test_evidence_that_went_through_json_has_the_same_verdicts(
    validation: dict[str, Any], outcome: list[dict[str, Any]], evidence: Evidence
) -> None:
    scenario = scenario_with(validation, outcome)
    again = Evidence.model_validate_json(evidence.model_dump_json())
    dumped = Scenario.model_validate(scenario.model_dump(mode="json", by_alias=True))
    assert score(dumped, again, has_validate=True) == score(scenario, evidence, has_validate=True)
