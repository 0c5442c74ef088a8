"""Command rules that cannot be what was meant are told when the scenario is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_2501bench.scenario.crosscheck import crosscheck

COUNT = {"label": "l", "validator": "command_count"}
ORDER = {"label": "l", "validator": "command_order", "commands": ["a"]}


@pytest.mark.parametrize(
    ("rule", "pointer", "said"),
    [
        ({**COUNT, "commands": ["rm ("]}, "/bench/rules/0/commands/0", "bad regular expression"),
        ({**COUNT, "commands": ["sudo rm"]}, "/bench/rules/0/commands/0", "begin with the program behind it"),
        ({**COUNT, "commands": ["/sbin/reboot"]}, "/bench/rules/0/commands/0", "begin with the name"),
        ({**COUNT, "commands": ["a"], "min": 2, "max": 1}, "/bench/rules/0", "'min' (2) is greater than 'max' (1)"),
        ({**COUNT, "commands": ["a"], "min": 0}, "/bench/rules/0/min", "a rule that cannot fail"),
        (ORDER, "/bench/rules/0", "says no order"),
        ({"label": "l", "validator": "command_allow_list"}, "/bench/rules/0", "allows nothing"),
        ({**ORDER, "after": ["b"], "hosts": ["web-1"]}, "/bench/rules/0/hosts/0", "Did you mean 'web-01'?"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_one_line(rule: dict[str, Any], pointer: str, said: str) -> None:
    data: dict[str, Any] = {"hosts": [{"host_name": "web-01"}], "bench": {"rules": [rule]}}
    (problem,) = crosscheck(data, validators=(), capabilities=())
    assert problem.pointer == pointer
    assert said in problem.message


@pytest.mark.parametrize(
    ("bench", "pointer", "said"),
    [
        ({"policies": ["no-reboot", "no-rebot"]}, "/bench/policies/1", "Did you mean 'no-reboot'?"),
        ({"policies": ["no-reboot", "no-reboot"]}, "/bench/policies/1", "stands already in /bench/policies/0"),
        (
            {"policies": ["no-reboot"], "cheats": {"a": {"fails": "compliance", "rules": ["no-rebot"], "why": "w"}}},
            "/bench/cheats/a/rules/0",
            "Did you mean 'no-reboot'?",
        ),
    ],
)
def test_a_policy_that_is_mistyped_or_named_twice_is_told(bench: dict[str, Any], pointer: str, said: str) -> None:
    (problem,) = crosscheck({"bench": bench}, validators=(), capabilities=())
    assert problem.pointer == pointer
    assert said in problem.message


def test_a_cheat_may_name_a_label_or_a_policy() -> None:
    rule = {**COUNT, "label": "No a", "policy": "no-a", "commands": ["a"], "max": 0}
    names = ["No a", "no-a", "look-first", "The first change comes after a look"]
    cheats = {"x": {"fails": "compliance", "rules": names, "why": "w"}}
    bench = {"rules": [rule], "policies": ["look-first"], "cheats": cheats}
    assert list(crosscheck({"bench": bench}, validators=(), capabilities=())) == []
