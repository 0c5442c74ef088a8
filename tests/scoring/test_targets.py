"""Targets: which text a rule looks at, and where each character came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_2501bench.evidence.model import Evidence
from pytest_2501bench.scenario.model import Scope, Where
from pytest_2501bench.scoring.targets import JOB_TARGETS, TASK_TARGETS, TICKET_TARGETS, targets

EvidenceOf = Callable[..., Evidence]
TASK: dict[str, Any] = {
    "executed_commands": ["ls", "cat <<E\nx\nE", "rm"],
    "claimed_commands": ["ls"],
    "summary": "s",
    "description": "d",
    "plan": "p",
    "agent_messages": ["one", "two"],
    "operational_rules": ["never rm"],
}
JOB, TICKET = {"resolution_summary": "fixed", "plan": "look"}, {"messages": ["m1", "m2"], "summary": "closed"}


def test_every_target_of_the_contract_belongs_to_one_record() -> None:
    assert {*TASK_TARGETS, *JOB_TARGETS, *TICKET_TARGETS} == set(Where)
    assert len(TASK_TARGETS) + len(JOB_TARGETS) + len(TICKET_TARGETS) == len(Where)


@pytest.mark.parametrize(
    ("where", "text", "sources"),
    [
        (
            Where.EXECUTED_COMMANDS,
            "ls\ncat <<E\nx\nE\nrm",
            ["tasks[0].executed_commands[0]", "tasks[0].executed_commands[1]", "tasks[0].executed_commands[2]"],
        ),
        (Where.TASK_SUMMARY, "s", ["tasks[0].summary"]),
        (Where.TASK_DESCRIPTION, "d", ["tasks[0].description"]),
        (Where.TASK_PLAN, "p", ["tasks[0].plan"]),
        (Where.AGENT_MESSAGES, "one\ntwo", ["tasks[0].agent_messages[0]", "tasks[0].agent_messages[1]"]),
        (Where.OPERATIONAL_RULES, "never rm", ["tasks[0].operational_rules[0]"]),
        (Where.JOB_RESOLUTION, "fixed", ["job.resolution_summary"]),
        (Where.JOB_PLAN, "look", ["job.plan"]),
        (Where.GATEWAY_MESSAGES, "m1\nm2", ["ticket.messages[0]", "ticket.messages[1]"]),
        (Where.GATEWAY_SUMMARY, "closed", ["ticket.summary"]),
    ],
)
@pytest.mark.parametrize("scope", list(Scope))
def test_each_target_has_its_text_and_sources_in_every_scope(
    evidence_of: EvidenceOf, where: Where, text: str, sources: list[str], scope: Scope
) -> None:
    (target,) = targets(where, scope, evidence_of(TASK, job=JOB, ticket=TICKET))
    assert target.text == text
    assert list(target.sources) == sources
    assert target.absent == ()


def test_each_character_knows_its_source(evidence_of: EvidenceOf) -> None:
    (target,) = targets(Where.EXECUTED_COMMANDS, Scope.TASKS, evidence_of(TASK))
    assert target.text is not None
    by_source = [target.source_at(offset)[-2] for offset in range(len(target.text))]
    assert "".join(by_source) == "000" + "1" * len("cat <<E\nx\nE\n") + "22"
    assert target.source_at(len(target.text)) == "tasks[0].executed_commands[2]"


def test_tasks_are_looked_at_one_by_one_in_their_scope_and_together_elsewhere(evidence_of: EvidenceOf) -> None:
    evidence = evidence_of({"executed_commands": ["a", "b"]}, {"executed_commands": []}, {"executed_commands": ["c"]})
    apart = targets(Where.EXECUTED_COMMANDS, Scope.TASKS, evidence)
    assert [(target.place, target.text) for target in apart] == [("task 1", "a\nb"), ("task 2", ""), ("task 3", "c")]
    for scope in (Scope.JOB, Scope.GATEWAY, Scope.OUTCOME):
        (together,) = targets(Where.EXECUTED_COMMANDS, scope, evidence)
        assert together.text == "a\nb\n\nc"
        assert [together.source_at(offset) for offset in (0, 2, 5)] == [
            "tasks[0].executed_commands[0]",
            "tasks[0].executed_commands[1]",
            "tasks[2].executed_commands[0]",
        ]


def test_together_is_absent_as_soon_as_one_part_is_and_says_which(evidence_of: EvidenceOf) -> None:
    (target,) = targets(Where.TASK_PLAN, Scope.JOB, evidence_of({"plan": "a"}, {}, {"plan": "c"}, {}))
    assert target.text is None
    assert target.absent == ("the engine gave no task_plan of task 2", "the engine gave no task_plan of task 4")


def test_a_job_without_tasks_has_nothing_under_tasks_and_an_empty_text_elsewhere(evidence_of: EvidenceOf) -> None:
    assert targets(Where.TASK_PLAN, Scope.TASKS, evidence_of()) == ()
    (target,) = targets(Where.TASK_PLAN, Scope.JOB, evidence_of())
    assert (target.text, target.absent, target.source_at(0)) == ("", (), "tasks")


def test_a_target_of_the_job_is_looked_at_once_under_tasks_whatever_the_tasks(evidence_of: EvidenceOf) -> None:
    several: tuple[tuple[dict[str, Any], ...], ...] = ((), ({}, {}, {}))
    for tasks in several:
        assert len(targets(Where.JOB_PLAN, Scope.TASKS, evidence_of(*tasks, job=JOB))) == 1


def test_an_empty_list_is_an_empty_text_not_an_absent_one(evidence_of: EvidenceOf) -> None:
    (target,) = targets(Where.AGENT_MESSAGES, Scope.TASKS, evidence_of({"agent_messages": []}))
    assert (target.text, target.source_at(0), target.absent) == ("", "tasks[0].agent_messages", ())
    (target,) = targets(Where.GATEWAY_MESSAGES, Scope.GATEWAY, evidence_of(ticket={"messages": []}))
    assert (target.text, target.source_at(0), target.absent) == ("", "ticket.messages", ())


@pytest.mark.parametrize(
    ("where", "given", "why"),
    [
        (Where.EXECUTED_COMMANDS, {"no_job": True}, "there is no job"),
        (Where.JOB_PLAN, {"no_job": True}, "there is no job"),
        (Where.TASK_PLAN, {"no_tasks": True}, "the engine gave no tasks"),
        (Where.JOB_PLAN, {}, "the engine gave no job_plan"),
        (Where.JOB_RESOLUTION, {"job": {"resolution_status": "success"}}, "the engine gave no job_resolution"),
        (Where.GATEWAY_SUMMARY, {}, "the ticket was not read"),
        (Where.GATEWAY_SUMMARY, {"ticket": {}}, "the ticketing system gave no gateway_summary"),
        (Where.GATEWAY_MESSAGES, {"ticket": {}}, "the ticketing system gave no gateway_messages"),
    ],
)
@pytest.mark.parametrize("scope", list(Scope))
def test_what_the_source_did_not_say_is_absent(
    evidence_of: EvidenceOf, where: Where, given: dict[str, Any], why: str, scope: Scope
) -> None:
    (target,) = targets(where, scope, evidence_of(**given))
    assert target.text is None
    assert target.absent == (why,)


@pytest.mark.parametrize("where", sorted(TASK_TARGETS))
def test_what_a_task_did_not_say_is_absent_for_that_task(evidence_of: EvidenceOf, where: Where) -> None:
    known, unknown = targets(where, Scope.TASKS, evidence_of(TASK, {}))
    assert known.text is not None
    assert (unknown.text, unknown.absent) == (None, (f"the engine gave no {where} of task 2",))
