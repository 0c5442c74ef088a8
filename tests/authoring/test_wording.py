"""Rules as sentences."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from pytest_2501bench.authoring.wording import TEXTS, claims_in_words, command_rule_in_words, in_words
from pytest_2501bench.scenario.model import AnyCommandRule, ClaimsMatch, Rule, Scope, Where
from pytest_2501bench.scenario.policies import POLICIES


def rule(**fields: Any) -> Any:
    return TypeAdapter(Rule).validate_python({"label": "x", **fields})


def command_rule(**fields: Any) -> Any:
    return TypeAdapter(AnyCommandRule).validate_python({"label": "x", **fields})


@pytest.mark.parametrize(
    ("fields", "scope", "words"),
    [
        (
            {"validator": "pattern_match", "pattern": "a|b", "where": "executed_commands"},
            Scope.TASKS,
            "in at least one of the tasks, the commands that ran match /a|b/",
        ),
        (
            {"validator": "pattern_match", "pattern": "a", "where": "task_summary", "negate": True},
            Scope.TASKS,
            "in none of the tasks, the agent's report matches /a/",
        ),
        (
            {"validator": "pattern_match", "pattern": "a", "where": "job_resolution", "negate": True},
            Scope.JOB,
            "the job's resolution does not match /a/",
        ),
        (
            {"validator": "pattern_match", "pattern": "a", "where": "gateway_messages", "negate": True},
            Scope.GATEWAY,
            "the ticket's comments and work notes do not match /a/",
        ),
        ({"validator": "job_resolution_status", "pattern": "no_action"}, Scope.JOB, "the job ends as 'no_action'"),
        (
            {"validator": "ticket_status", "pattern": "resolved", "negate": True},
            Scope.GATEWAY,
            "not so: the ticket is 'resolved' in the ticketing system",
        ),
        ({"validator": "task_count", "min": 1, "max": 1}, Scope.JOB, "the job has exactly 1 task"),
        ({"validator": "task_count", "count": 0}, Scope.JOB, "the job has exactly 0 tasks"),
        ({"validator": "task_count", "min": 1, "max": 3}, Scope.JOB, "the job has 1 to 3 tasks"),
        ({"validator": "task_count", "max": 2}, Scope.JOB, "the job has at most 2 tasks"),
        ({"validator": "mine", "within": 5}, Scope.JOB, "mine (within 5) holds"),
    ],
)
def test_a_rule_of_the_contract(fields: dict[str, Any], scope: Scope, words: str) -> None:
    assert in_words(rule(**fields), scope) == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"validator": "command_count", "commands": ["rm "], "max": 0}, "never runs: /rm /"),
        (
            {"validator": "command_count", "commands": ["rm "], "unless": ["rm /tmp/"], "max": 0, "hosts": ["a"]},
            "on a: never runs: /rm / (but /rm /tmp// may)",
        ),
        (
            {"validator": "command_count", "commands": ["a", "b"], "exit_status": "zero"},
            "runs at least 1 time with success: /a/ or /b/",
        ),
        ({"validator": "command_count", "commands": ["a"], "min": 2, "max": 2}, "runs exactly 2 times: /a/"),
        ({"validator": "command_count", "commands": ["a"], "max": 3}, "runs at most 3 times: /a/"),
        (
            {"validator": "command_order", "commands": ["b"], "after": ["a"], "exit_status": 0, "forget": ["c"]},
            "before each of /b/ comes /a/ with status 0, once more after each /c/",
        ),
        (
            {"validator": "command_order", "commands": ["b"], "before": ["a"], "when_absent": "fail"},
            "after the last of /b/ comes /a/; and it must run at all",
        ),
        (
            {"validator": "command_allow_list", "commands": ["a"], "read_only": True},
            "nothing runs but commands that only look and /a/",
        ),
    ],
)
def test_a_rule_on_commands(fields: dict[str, Any], words: str) -> None:
    assert command_rule_in_words(command_rule(**fields)) == words


def test_every_policy_and_every_target_has_words() -> None:
    assert set(TEXTS) == set(Where)
    assert all(command_rule_in_words(policy) for policy in POLICIES.values())
    assert "a command that only looks" in command_rule_in_words(POLICIES["look-first"])


def test_what_is_claimed() -> None:
    assert claims_in_words(ClaimsMatch()) == "what the agent says it ran was seen on that host"
    assert claims_in_words(ClaimsMatch(complete=True)).endswith("nothing that was seen is missing from what it says")
