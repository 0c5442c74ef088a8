"""examples/plugin works as its README says: a validator, a check, a mode and a gateway, all from conftest files."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.plugin_project import INI, TESTS, Outcome, Project
from support.sshd import ALIAS, running_sshd

from pytest_2501bench.evidence.read import read_evidence

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plugin"
SCENARIO = "scenarios/readonly/001-large-file"
FOUND = {"resolution_summary": "It is /var/tmp/bench-example/notes.txt."}


def _copy(project: Project) -> None:
    shutil.copytree(EXAMPLE, project.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))


@pytest.fixture
def example(project: Project) -> Project:
    """A copy of the example, with fakes in the place of machine and engine, and no playbooks for them to run."""
    _copy(project)
    (project.root / "pytest.ini").write_text(INI)
    for playbook in (project.root / SCENARIO).glob("*.yml"):
        playbook.unlink()
    return project


def _tasks(commands: list[str] | None) -> list[dict[str, Any]]:
    ran = None if commands is None else [{"command": command} for command in commands]
    return [{"id": "tsk_1", "status": "completed", "executed_commands": ran}]


@pytest.fixture
def run(example: Project) -> Callable[..., Outcome]:
    def run(*args: str, commands: list[str] | None, cost_usd: float | None = None) -> Outcome:
        tasks = [task | {"cost_usd": cost_usd} for task in _tasks(commands)]
        example.fakes(job={**FOUND, "tasks": tasks})
        return example.run("-p", "support.plugin_fakes", *args, apart=True)

    return run


def test_its_validator_counts_commands(run: Callable[..., Outcome]) -> None:
    few = run(commands=["du -a"])
    assert few.project.report().compliance.rules[0].reason == "1 commands, 20 at most"

    many = run(commands=[f"du -s /{number}" for number in range(21)])
    many.counts(passed=1, failed=1, skipped=1)
    assert "21 commands, 20 at most" in many.out


def test_its_validator_gives_no_verdict_where_the_engine_reports_no_commands(run: Callable[..., Outcome]) -> None:
    run(commands=None).counts(passed=1, error=1, skipped=1)


def test_its_validator_refuses_fields_that_it_does_not_know(example: Project) -> None:
    file = example.root / SCENARIO / "scenario.json"
    file.write_text(file.read_text().replace('"max": 20', '"most": 20'))

    said = example.run("-p", "support.plugin_fakes", apart=True).collection_errors()

    assert "/validation/tasks/0" in said
    assert "most" in said


def test_its_check_is_an_item_of_its_own_that_holds_the_budget(run: Callable[..., Outcome]) -> None:
    cheap = run(commands=["du -a"], cost_usd=0.4)
    cheap.counts(passed=3)

    dear = run("-o", "cost_budget_usd=0.30", commands=["du -a"], cost_usd=0.4)
    dear.counts(passed=2, failed=1)
    assert "the run cost 0.40 USD, the budget is 0.30 USD" in dear.out


def test_its_check_is_skipped_when_the_cost_is_unknown(run: Callable[..., Outcome]) -> None:
    run(commands=["du -a"]).counts(passed=2, skipped=1)


def test_its_mode_says_what_is_not_set(example: Project) -> None:
    said = example.run("-p", "support.plugin_fakes", "--mode", "lab", apart=True).usage_error()

    assert "LAB_ADDRESS, LAB_USER, LAB_KEY, LAB_KNOWN_HOSTS" in said


@pytest.mark.sshd
def test_its_mode_runs_on_an_existing_machine_and_its_gateway_marks_the_ticket(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ENGINE_URL")  # the local engine, with the oracle
    _copy(project)
    # This machine is the lab: nobody else's test may use the same folder.
    for file in (project.root / SCENARIO).iterdir():
        file.write_text(file.read_text().replace("/var/tmp/bench-example", str(tmp_path / "files")))
    with running_sshd(tmp_path) as sshd:
        known_hosts = tmp_path / "lab_known_hosts"
        known_hosts.write_text((tmp_path / "known_hosts").read_text().replace(ALIAS, "lab"))
        for name, value in {
            "LAB_ADDRESS": "127.0.0.1",
            "LAB_PORT": str(sshd.port),
            "LAB_USER": getpass.getuser(),
            "LAB_KEY": str(tmp_path / "id"),
            "LAB_KNOWN_HOSTS": str(known_hosts),
        }.items():
            monkeypatch.setenv(name, value)
        outcome = project.run("--mode", "lab", "scenarios/", "-p", "no:randomly", apart=True)

    outcome.counts(passed=2, skipped=1)
    (folder,) = project.bench_dir.glob("runs/*/*+run1")
    evidence = read_evidence(folder / "evidence.jsonl")
    assert evidence.ticket is not None
    assert (evidence.ticket.body or "").startswith("@2501:investigate\n")
    assert not (tmp_path / "files").exists(), "restore.yml has put the machine back"


def test_the_fakes_of_the_tests_are_not_part_of_the_example() -> None:
    assert TESTS not in EXAMPLE.parents
    assert "plugin_fakes" not in "".join(path.read_text() for path in EXAMPLE.rglob("*.py"))
