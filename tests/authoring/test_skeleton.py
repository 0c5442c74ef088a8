"""First drafts of scenarios: named, numbered, never written over; clean for the linter in every kind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from pytest_2501bench.authoring.skeleton import FOLDER, Draft, write
from pytest_2501bench.errors import BenchError
from pytest_2501bench.scenario.lint import lint
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.model import Kind

# What comes onto a host must not tell that somebody watches.
TELLING = re.compile(r"bench|scenario|broken|ansible|oracle|sabotage|2501|incident|fault|\btest", re.I)


def named(words: str, kind: Kind = Kind.REMEDIATION, title: str | None = None, hosts: int = 1) -> Draft:
    return Draft.named(words, kind=kind, title=title, hosts=hosts)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("hosts", [1, 3])
def test_the_linter_has_nothing_to_say_of_a_draft(tmp_path: Path, kind: Kind, hosts: int) -> None:
    folder = write(named("web/slow-start", kind, 'It is "slow"', hosts), tmp_path)
    loaded = load_scenario(folder / "scenario.json")
    assert lint(loaded) == []
    assert (loaded.scenario.key, loaded.scenario.title) == ("web-001-slow-start", 'It is "slow"')
    assert loaded.scenario.bench.kind is kind
    assert len(loaded.scenario.hosts) == len(loaded.scenario.agents) == hosts
    bench = loaded.scenario.bench
    assert bench.difficulty
    assert bench.skills
    assert bench.blast_radius
    assert bench.expected_minutes
    assert bench.sources


@pytest.mark.parametrize("kind", list(Kind))
def test_a_draft_has_every_kind_of_playbook_and_a_claim_for_each_wrong_fix(tmp_path: Path, kind: Kind) -> None:
    folder = write(named("web/slow-start", kind), tmp_path)
    loaded = load_scenario(folder / "scenario.json")
    assert set(loaded.repairs("cheat")) == set(loaded.scenario.bench.cheats)
    assert len(loaded.repairs("cheat")) >= 2
    assert loaded.repairs("alt")
    assert all(loaded.playbook(name) for name in ("prepare", "restore", "solve"))
    assert (loaded.playbook("validate") is None) == (kind is Kind.INVESTIGATION)
    for path in folder.glob("*.yml"):
        for play in yaml.safe_load(path.read_text()):
            assert (play["gather_facts"], "ansible_user" in play["become"]) == (False, True), path
            assert all(task["name"] for task in play["tasks"]), path
    tagged = [task for play in yaml.safe_load((folder / "prepare.yml").read_text()) for task in play["tasks"]]
    assert any("fault" in task.get("tags", ()) for task in tagged) == (kind in (Kind.REMEDIATION, Kind.INVESTIGATION))


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_that_comes_onto_the_host_tells_what_it_is(tmp_path: Path, kind: Kind) -> None:
    folder = write(named("web/slow-start", kind), tmp_path)
    for path in (folder / "files").iterdir():
        assert not TELLING.search(path.read_text()), path
    for play in yaml.safe_load((folder / "prepare.yml").read_text()):
        for task in play["tasks"]:
            assert not TELLING.search(json.dumps(task.get("ansible.builtin.shell", ""))), task["name"]


def test_the_next_number_is_behind_the_highest_one(tmp_path: Path) -> None:
    for name in ("001-a", "007-b", "notes", "12-short"):
        (tmp_path / "web" / name).mkdir(parents=True)
    assert write(named("web/c"), tmp_path).name == "008-c"
    assert write(named("disk/c"), tmp_path).name == "001-c"


def test_a_name_that_is_taken_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    folder = write(named("web/slow-start"), tmp_path)
    (folder / "scenario.json").write_text("mine")
    with pytest.raises(BenchError, match="web/slow-start: is there already") as caught:
        write(named("web/slow-start"), tmp_path)
    assert "\n" not in caught.value.message
    assert (folder / "scenario.json").read_text() == "mine"
    assert [path.name for path in (tmp_path / "web").iterdir()] == [folder.name]


@pytest.mark.parametrize(
    "words", ["slow", "web/", "/slow", "a/b/c", "Web/slow", "web/slow start", "../slow", "web/..", "web/-x", "web/a--b"]
)
def test_a_bad_name_is_told_in_one_line(words: str) -> None:
    with pytest.raises(BenchError, match="must be CATEGORY/NAME") as caught:
        named(words)
    assert "\n" not in str(caught.value)


def test_a_number_of_ones_own_and_a_wrong_number_of_hosts_are_refused() -> None:
    with pytest.raises(BenchError, match="leave the number out"):
        named("web/003-slow")
    with pytest.raises(BenchError, match="must be from 1 to 5"):
        named("web/slow", hosts=6)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "scenarios").write_text("a file")
    with pytest.raises(BenchError, match=r"cannot be written: Not a directory\."):
        write(named("web/slow"), tmp_path / "scenarios")


def test_every_template_belongs_to_a_kind() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {"shared", *Kind}
