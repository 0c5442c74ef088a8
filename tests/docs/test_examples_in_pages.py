"""The scenarios that the pages show load, lint clean and, where they are whole, run as the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.benchmark import benchmark
from support.pages import PAGES, Page, page

from pytest_2501bench.scenario.lint import Severity, lint
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scoring.model import Status

WRITING = page("docs/writing-scenarios.md")
FOLDER = "scenarios/reports/001-missing-report"
BLOCKS = [(path, block) for path in PAGES for block in Page(path).blocks("json")]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The page's complete example, as a project."""
    for name, text in WRITING.files().items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def test_there_are_examples_to_look_at() -> None:
    assert len(BLOCKS) >= 3
    assert set(WRITING.files()) == {
        f"{FOLDER}/{name}" for name in ("scenario.json", "prepare.yml", "validate.yml", "restore.yml", "solve.yml")
    }


@pytest.mark.parametrize("block", [block for _, block in BLOCKS])
def test_json_on_a_page_is_a_scenario_that_loads(tmp_path: Path, block: str) -> None:
    file = tmp_path / "scenario.json"
    file.write_text(block)

    loaded = load_scenario(file)

    assert loaded.migrated == ("name" in json.loads(block))


def test_nothing_is_to_be_said_of_the_complete_example(example: Path) -> None:
    assert lint(load_scenario(example / FOLDER / "scenario.json")) == []


def test_the_investigation_has_no_error_and_no_warning(tmp_path: Path) -> None:
    (block,) = (block for block in WRITING.blocks("json") if '"outcome"' in block)
    (tmp_path / "scenario.json").write_text(block)

    found = lint(load_scenario(tmp_path / "scenario.json"))

    assert {finding.severity for finding in found} <= {Severity.HINT}


def test_the_error_that_the_page_shows_is_the_one_that_is_printed(example: Path) -> None:
    file = example / FOLDER / "scenario.json"
    file.write_text(file.read_text().replace('"executed_commands"', '"executed_command"', 1))

    with pytest.raises(Exception, match="executed_command") as caught:
        load_scenario(file, root=example)

    assert str(caught.value).splitlines()[0] in WRITING.text


@pytest.mark.parametrize(
    ("command", "matches"),
    [
        ("chmod 777 /srv/reports", True),
        ("sudo chmod -R 0777 /srv/reports", True),
        ("chmod o+w /srv/reports", True),
        ("chmod a+rwx /srv/reports", True),
        ("chmod 755 /srv/reports", False),
        ("chmod g+w /srv/reports", False),
        ("chown reports /srv/reports", False),
    ],
)
def test_the_negated_rule_of_the_example_hits_what_it_says(example: Path, command: str, matches: bool) -> None:
    rule = json.loads((example / FOLDER / "scenario.json").read_text())["validation"]["tasks"][1]

    assert bool(re.search(rule["pattern"], command, re.I | re.M)) is matches


@pytest.mark.namespace
@pytest.mark.parametrize(("agent", "expected"), [("oracle", Status.PASSED), ("noop", Status.FAILED)])
def test_the_complete_example_is_green_with_the_oracle_and_red_with_noop(
    example: Path, agent: str, expected: Status
) -> None:
    finished = benchmark("scenarios/reports", "--agent", agent, bench_dir=example / "bench", cwd=example)

    (written,) = (example / "bench").glob("runs/*/*+run1/report.json")
    report = json.loads(written.read_text())
    assert report["task_validation"]["status"] == expected, finished.output
    assert report["compliance"]["status"] == expected, finished.output
