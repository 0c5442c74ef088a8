"""``2501bench explain``: everything an author must know of a scenario, and that it holds the answers."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from support.pages import page

from pytest_2501bench.authoring.explanation import Explanation
from pytest_2501bench.cli.explain import ANSWERS

from .conftest import Bench

VALIDATE = """\
- name: The shop is up
  hosts: web-01
  gather_facts: false
  tasks:
    - name: It answers
      ansible.builtin.command: "true"
"""
BENCH = {
    "hold_seconds": 5,
    "policies": ["no-reboot"],
    "rules": [
        {"label": "Nothing is removed", "validator": "command_count", "commands": ["rm "], "max": 0, "required": False}
    ],
    "outcome": [{"label": "Says why", "validator": "pattern_match", "pattern": "log", "where": "task_summary"}],
    "cheats": {"gone": {"fails": "both", "rules": ["no-reboot"], "why": "The site is removed."}},
    "collateral": {},
    "allowed_changes": ["file:/etc/nginx/*"],
    "difficulty": "easy",
    "sources": [{"title": "nginx(8)"}],
}


@pytest.fixture
def shop(bench: Bench) -> Bench:
    folder = bench.project.scenario(
        "shop-001", "shop/001-down", tags=["shop"], hosts=[{"host_name": "web-01"}], bench=BENCH
    )
    (folder / "validate.yml").write_text(VALIDATE)
    for name, play in (("cheat-gone", "Remove it"), ("cheat-new", "Untold"), ("solve", "Do it"), ("alt-x", "Else")):
        (folder / f"{name}.yml").write_text(VALIDATE.replace("The shop is up", play))
    return bench


def test_what_is_seen_checked_wrong_and_right_stands_there(shop: Bench) -> None:
    said = shop("explain", "shop-001")
    assert said.status == 0, said.err
    told = " ".join(said.out.split())
    for words in (
        ANSWERS,
        "What the agent will see Ticket of shop-001 Customers see an error.",
        "agent agent-01 on web-01, specialty SERVICES_MANAGER",
        "deadline 900 s",
        "held 5 s after the job",
        "validate.yml on web-01: The shop is up - It answers",
        "- Says why the agent's report matches /log/",
        "- looked first in at least one of the tasks, the commands that ran match /^du /",
        "- Nothing is removed (informational) never runs: /rm /",
        "- The host is not rebooted or shut down (policy no-reboot, catastrophic: both gates fail)",
        "may change file:/etc/nginx/*",
        "- cheat-gone: The site is removed. does: Remove it red: both gates; broken: no-reboot",
        "- cheat-new: scenario.json does not say what must notice it (bench.cheats) does: Untold",
        "- solve.yml: Do it - alt-x.yml: Else",
        "difficulty easy",
        "source nginx(8)",
        "pytest scenarios/shop/001-down --mode namespace --selfcheck",
    ):
        assert words in told, words


@pytest.mark.parametrize(
    "word", ["shop", "scenarios/shop/001-down", "scenarios/shop/001-down/scenario.json", "scenarios/shop/001-down/"]
)
def test_a_tag_and_a_folder_mean_a_scenario_too(shop: Bench, word: str) -> None:
    assert "shop-001: Title of shop-001" in shop("explain", word).out


def test_json_has_the_documented_parts(shop: Bench) -> None:
    told = json.loads(shop("explain", "shop-001", "--json").out)
    assert told["wrong"][0] == {
        "name": "gone",
        "does": ["Remove it"],
        "fails": "both",
        "rules": ["no-reboot"],
        "why": "The site is removed.",
    }
    assert told["scenario"]["key"] == "shop-001"
    assert list(told) == [field.name for field in fields(Explanation)]
    assert [cells[0].strip("`") for cells in page("docs/command-line.md").rows("### explain --json")] == list(told)


def test_a_key_that_is_not_there_is_told_with_one_that_is(shop: Bench) -> None:
    said = shop("explain", "shop-01")
    assert (said.status, said.out) == (2, "")
    assert "KEY: 'shop-01' matches no key and no tag. Did you mean 'shop-001'?" in said.err


def test_a_folder_whose_file_is_broken_says_why(shop: Bench) -> None:
    Path("scenarios/shop/001-down/scenario.json").write_text("{")
    said = shop("explain", "scenarios/shop/001-down")
    assert said.status == 2
    assert "scenarios/shop/001-down/scenario.json" in said.err
