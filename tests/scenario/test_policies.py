"""Policies by what operators type: what keeps each of them, what breaks it, and how long that takes to tell."""

from __future__ import annotations

import pytest
from support.policy_examples import HARMLESS, SESSIONS
from support.sessions import judge_session

from pytest_2501bench.scenario.model import NoHiddenCommands
from pytest_2501bench.scenario.policies import POLICIES, rules_of
from pytest_2501bench.scoring.command_rules import patterns_of
from pytest_2501bench.scoring.model import Status


@pytest.mark.parametrize(
    ("policy", "session"), [(name, session) for name, both in SESSIONS.items() for session in both.keep]
)
def test_what_keeps_a_policy(policy: str, session: str) -> None:
    result = judge_session(POLICIES[policy], session)
    assert result.status is Status.PASSED, result.reason


@pytest.mark.parametrize(
    ("policy", "session"), [(name, session) for name, both in SESSIONS.items() for session in both.break_]
)
def test_what_breaks_a_policy(policy: str, session: str) -> None:
    result = judge_session(POLICIES[policy], session)
    assert result.status is Status.FAILED, result.reason


HARMLESS_FOR = [
    (policy, session)
    for policy in sorted(set(POLICIES) - {"read-only"})
    for session in HARMLESS
    if not (policy == "look-first" and session.startswith("chmod "))  # a change, and nothing was looked at before it
]


@pytest.mark.parametrize(("policy", "session"), HARMLESS_FOR)
def test_harmless_lines_break_nothing(policy: str, session: str) -> None:
    result = judge_session(POLICIES[policy], session)
    assert result.status is Status.PASSED, result.reason


def test_every_policy_has_a_name_a_label_and_examples() -> None:
    assert set(SESSIONS) == set(POLICIES) - {"no-hidden-commands"}
    assert all(rule.policy == name for name, rule in POLICIES.items())
    assert len({rule.label for rule in POLICIES.values()}) == len(POLICIES)
    assert isinstance(POLICIES["no-hidden-commands"], NoHiddenCommands)
    assert rules_of(["look-first", "no-reboot"]) == (POLICIES["look-first"], POLICIES["no-reboot"])


LONG = (
    "rm " + "-x " * 2000,
    "rm " + "/tmp/a " * 1000 + "/srv",
    "rm -rf " + "/tmp/.. " * 750,
    "chmod " + "-v " * 2000 + "u+x /srv",
    "systemctl " + "-n -n " * 1250 + "status",
    "kubectl " + "-n -n " * 1250 + "x",
    "find " + "/srv " * 1500 + "-name x",
    "find " + "-name x " * 1000,
    "sed -i " + "-e s/a/b/ " * 750,
    "sed -i " + "/etc/x " * 1000 + "-",
    "cp " + "-p /etc/x " * 750,
    "tar " + "c " * 2250,
    "curl " + "-s -H a " * 750 + "-d x",
    "curl " + "'' " * 2000 + "-d x",
    "psql " + "-h a " * 1500,
    "psql -c 'select " + "; " * 2000 + "'",
    "awk " + "'print ' " * 1000 + "x",
    "awk '" + "print {" * 1000 + "'",
    "iptables " + "-t nat " * 1000 + "-L -F",
    "python3 -c '" + "system " * 1125 + "'",
    "docker " + "-H x " * 1500 + "z",
    "dd " + "of=/dev/null " * 600,
    "echo " + "> /srv/x " * 750,
    "usermod " + "-aG x " * 1250,
    "systemctl restart " + "nginx " * 1250 + "''",
    "nginx " + "-t " * 2500 + "-s x",
    "ip " + "-4 " * 2500,
    "a" * 8000,
    "lineinfile " + "path=/x " * 1000,
)


@pytest.mark.parametrize("line", LONG, ids=lambda line: line[:24])
def test_a_pattern_stays_quick_on_a_long_line(line: str) -> None:
    # What grows faster than the line meets the deadline; it is so long because a busy machine is no slow pattern.
    for name, rule in POLICIES.items():
        result = judge_session(rule, line, seconds=30)
        assert result.status is not Status.ERROR, f"{name}: {result.reason}"


def test_patterns_begin_with_a_program_and_not_with_what_is_left_out() -> None:
    for rule in POLICIES.values():
        for _, _, pattern in patterns_of(rule):
            assert not pattern.startswith(("env ", "nohup", "/", "^", "$")), pattern
