"""``2501bench validate RUN…``: past runs are scored again from their evidence, and never counted twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.plugin_project import FOUND, LOOKED, NEVER, Project

from pytest_2501bench.cli import program
from pytest_2501bench.cli.main import app
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.scoring.model import Status


@pytest.fixture
def past(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with one green run."""
    project.scenario("disk/001")
    project.run().counts(passed=2)
    monkeypatch.chdir(project.root)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return project


def validate(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = program.run(app, ["validate", *words], name="2501bench")
    out, err = capsys.readouterr()
    return status, out, err


def derived(project: Project) -> ScenarioReport:
    """The newest derived report on disk."""
    *_, path = sorted(project.bench_dir.glob("rescored/*/*.json"))
    return ScenarioReport.model_validate_json(path.read_text())


def change(project: Project, **fields: Any) -> Path:
    return project.scenario("disk/001", **fields)


def test_the_same_rules_give_the_same_verdicts(past: Project, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = validate(capsys, "last")
    assert status == 0
    assert out.startswith("1 runs scored again, 0 with another result.")
    source, again = past.report(), derived(past)
    assert again.derived_from == source.run_id
    assert (again.task_validation, again.compliance) == (source.task_validation, source.compliance)


def test_todays_rules_decide_and_the_run_of_then_stays_as_it_was(
    past: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = past.report()
    change(past, validation={"tasks": [LOOKED, NEVER]})
    status, out, _ = validate(capsys, before.run_id)
    assert status == 0
    assert "compliance: passed → failed" in out
    assert "rule 'restarted it': new: failed" in out
    again = derived(past)
    assert again.compliance.status is Status.FAILED
    assert again.version_key["rules"] != before.version_key["rules"]
    assert past.reports() == [before]  # neither on disk nor in the database is there another run


def test_rules_on_the_outcome_are_scored_again_too(past: Project, capsys: pytest.CaptureFixture[str]) -> None:
    change(past, bench={"outcome": [{**FOUND, "pattern": "no such finding"}]})
    assert "task validation: passed → failed" in validate(capsys, "last")[1]


def test_a_playbook_that_was_never_played_changes_no_verdict(past: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (change(past) / "validate.yml").write_text("- hosts: all\n  tasks: []\n")
    status, out, _ = validate(capsys, "last")
    assert status == 0
    assert "task validation stays passed: validate.yml has been added since" in out
    assert derived(past).task_validation == past.report().task_validation


def test_a_run_whose_scenario_or_evidence_is_gone_is_named(past: Project, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = past.report().run_id
    (past.bench_dir / past.report().evidence / "evidence.jsonl").unlink()
    status, out, err = validate(capsys, "last")
    assert status == 1
    assert err.startswith(f"{run_id}: ")
    assert "0 runs scored again" in out
    (past.root / "scenarios/disk/001/scenario.json").write_text(
        json.dumps({**json.loads((past.root / "scenarios/disk/001/scenario.json").read_text()), "key": "disk/other"})
    )
    assert f"{run_id}: there is no scenario disk/001 here any more" in validate(capsys, "last")[2]


def test_a_word_that_is_neither_path_nor_run_is_one_line(past: Project, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = validate(capsys, "nowhere")
    assert status == 2
    assert "there is no benchmark 'nowhere'" in err
    status, _, err = validate(capsys, "scenarios", "nowhere")
    assert (status, "nowhere: no such file or folder" in err) == (2, True)
