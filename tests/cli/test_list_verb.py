"""``2501bench list``: what is shown, what filters leave, what is said when a word or a file is wrong."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from support.pages import page

from pytest_2501bench.authoring.card import Card

from .conftest import Bench, Said

HARD = {
    "kind": "refusal",
    "difficulty": "hard",
    "skills": ["tls", "systemd"],
    "blast_radius": "fleet",
    "expected_minutes": 30,
    "requires": ["systemd"],
    "packages": ["nginx-light"],
    "sources": [{"title": "systemd.exec(5)", "url": "https://manpages.debian.org/systemd.exec.5"}],
}
OUTCOME = [{"label": "says it", "validator": "pattern_match", "pattern": "log", "where": "task_summary"}]


@pytest.fixture
def shelf(bench: Bench) -> Bench:
    """Three scenarios in two categories."""
    bench.project.scenario("tls-001", "tls/001-old", tags=["web"], bench=HARD | {"outcome": OUTCOME})
    (bench.root / "scenarios/tls/001-old/cheat-quick.yml").write_text("[]\n")
    easy = {"difficulty": "easy", "skills": ["nginx"], "outcome": OUTCOME}
    bench.project.scenario("web-001", "web/001-a", tags=["web"], bench=easy)
    bench.project.scenario("web-002", "web/002-b", hosts=[{"host_name": "a"}, {"host_name": "b"}])
    return bench


def keys(said: Said) -> list[str]:
    assert said.status == 0, said.err
    return [card["key"] for card in json.loads(said.out)]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("", ["tls-001", "web-001", "web-002"]),
        ("--tag web", ["tls-001", "web-001"]),
        ("--tag web --difficulty easy", ["web-001"]),
        ("--skill tls,nginx", ["tls-001", "web-001"]),
        ("--skill tls --skill nginx", ["tls-001", "web-001"]),
        ("--kind refusal", ["tls-001"]),
        ("--blast-radius fleet", ["tls-001"]),
        ("--category web", ["web-001", "web-002"]),
        ("-s web,web-002", ["tls-001", "web-001", "web-002"]),
        ("-s web --category web", ["web-001"]),
        ("--kind control", []),
        ("scenarios/web", ["web-001", "web-002"]),
    ],
)
def test_filters_combine_and_words_of_one_filter_add_up(shelf: Bench, words: str, left: list[str]) -> None:
    assert keys(shelf("list", "--json", *words.split())) == left


def test_a_mode_leaves_what_it_can_run_on_this_machine(shelf: Bench) -> None:
    assert keys(shelf("list", "--json", "-m", "fake")) == ["tls-001", "web-001", "web-002"]
    shelf.project.fakes(fresh=False)  # registered hosts: scenarios without any cannot run
    assert keys(shelf("list", "--json", "-m", "fake")) == ["web-002"]


def test_into_a_pipe_goes_one_whole_line_per_scenario(shelf: Bench) -> None:
    head, first, *_ = shelf("list").out.splitlines()
    assert head.split()[:3] == ["scenario", "kind", "difficulty"]
    assert " ".join(first.split()) == "tls-001 refusal hard fleet 30 tls, systemd host-01 systemd web"


def test_nothing_left_is_said(shelf: Bench) -> None:
    said = shelf("list", "--kind", "control")
    assert (said.status, said.out) == (0, "none of the 3 scenarios in scenarios is so.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--kind remedation", "--kind: 'remedation' is nowhere here. Did you mean 'remediation'?"),
        ("--skill ngin", "--skill: 'ngin' is nowhere here. Did you mean 'nginx'?"),
        ("--difficulty x", "--difficulty: 'x' is nowhere here. There are: easy, medium, hard."),
        ("--category wob", "--category: 'wob' is nowhere here. Did you mean 'web'?"),
        ("-s tls-01", "-s: 'tls-01' matches no key and no tag. Did you mean 'tls-001'?"),
        ("nowhere", "-p nowhere: no such folder."),
    ],
)
def test_a_wrong_word_is_told_with_the_right_one(shelf: Bench, words: str, message: str) -> None:
    said = shelf("list", *words.split())
    assert (said.status, said.out) == (2, "")
    assert message in said.err


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_listed(shelf: Bench) -> None:
    shelf.project.write("scenarios/web/003-c/scenario.json", "{")
    said = shelf("list", "--json")
    assert said.status == 1
    assert len(json.loads(said.out)) == 3
    assert said.err == "cannot be read: scenarios/web/003-c/scenario.json. Why: 2501bench validate scenarios\n"


def test_a_card_has_the_documented_fields_and_tells_what_a_scenario_needs(shelf: Bench) -> None:
    (card,) = json.loads(shelf("list", "--json", "-s", "tls-001").out)
    assert card == {
        "key": "tls-001",
        "title": "Title of tls-001",
        "category": "tls",
        "folder": "scenarios/tls/001-old",
        "kind": "refusal",
        "difficulty": "hard",
        "skills": ["tls", "systemd"],
        "blast_radius": "fleet",
        "expected_minutes": 30,
        "hosts": [{"host_name": "host-01", "template": "debian-base", "packages": ["nginx-light"]}],
        "needs": ["systemd"],
        "tags": ["web"],
        "sources": [{"title": "systemd.exec(5)", "url": "https://manpages.debian.org/systemd.exec.5"}],
        "cheats": ["quick"],
        "alternatives": [],
    }
    said = [cells[0].strip("`") for cells in page("docs/command-line.md").rows("### list --json")]
    assert said == [field.name for field in fields(Card)]


def test_the_catalogue_is_a_page_with_links_and_without_broken_tables(shelf: Bench) -> None:
    shelf.project.scenario("web-003", "web/003-c", title="A | and <b> and [x]")
    (shelf.root / "docs").mkdir()
    assert shelf("list", "--catalogue", "docs/catalogue.md").status == 0
    text = (shelf.root / "docs/catalogue.md").read_text()
    assert "4 scenarios:" in text
    assert "| refusal | – | – | 1 | – |" in text
    assert (
        "| [`tls-001`](../scenarios/tls/001-old/) | Title of tls-001 | refusal | hard | fleet | 30 | tls, systemd | "
        "[systemd.exec(5)](https://manpages.debian.org/systemd.exec.5) |\n"
    ) in text
    assert r"| A \| and \<b\> and \[x\] | remediation |" in text
    assert text.index("## tls") < text.index("## web")
