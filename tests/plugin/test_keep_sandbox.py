"""``--keep-sandbox``: the hosts of a run stay up, it is said how to enter and remove them, and nothing else stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.plugin_project import NEVER, Project


@pytest.fixture
def red_and_green(project: Project) -> Project:
    project.scenario("green")
    project.scenario("red", validation={"tasks": [NEVER]})
    return project


def entries(project: Project) -> list[Path]:
    return sorted((project.bench_dir / "sandboxes").glob("*/entry.json"))


def test_without_the_option_nothing_is_kept(red_and_green: Project) -> None:
    outcome = red_and_green.run()
    assert red_and_green.left() == []
    assert not red_and_green.calls("provider.keep")
    assert "sandboxes kept" not in outcome.out
    assert entries(red_and_green) == []


@pytest.mark.parametrize("how", [(), ("-n", "2")])
def test_failed_keeps_the_hosts_of_red_runs_and_says_how_to_enter_and_remove_them(
    red_and_green: Project, how: tuple[str, ...]
) -> None:
    outcome = red_and_green.run("--keep-sandbox", "failed", *how, apart=bool(how))

    (left,) = red_and_green.left()
    (entry,) = entries(red_and_green)
    said = json.loads(entry.read_text())
    assert (said["name"], said["key"], said["kind"], said["run"]) == (left, "red", "kept", "red run1")
    config = entry.parent / "ssh_config"
    shown = outcome.out.split("sandboxes kept: 1", 1)[1]
    assert f"enter     ssh -F {config} host-01" in shown
    assert f"remove    2501bench sandbox restore -n {left}\n" in shown
    assert "Host host-01" in config.read_text()


def test_the_report_and_the_evidence_say_that_hosts_were_kept(red_and_green: Project) -> None:
    red_and_green.run("--keep-sandbox", "failed")

    kept = {report.key: report.kept for report in red_and_green.reports()}
    assert kept["green"] is None
    assert kept["red"] is not None
    assert kept["red"].sandbox == red_and_green.left()[0]
    (report,) = (report for report in red_and_green.reports() if report.kept)
    assert ["still up, on purpose" in warning for warning in report.warnings] == [True]
    (phase,) = (phase for phase in report.phases if phase.name == "restore")
    assert phase.status == "skipped"


def test_the_engine_and_the_database_forget_kept_hosts(red_and_green: Project) -> None:
    red_and_green.run("--keep-sandbox", "all")

    assert len(red_and_green.calls("gateway.unregister")) == 2
    assert red_and_green.members() == []
    assert len(red_and_green.left()) == len(red_and_green.calls("provider.keep")) == 2
    assert not red_and_green.calls("provider.destroy")


def test_a_run_that_was_lost_after_its_hosts_were_made_is_kept(project: Project) -> None:
    project.scenario("lost")
    project.fault("gateway.submit", "submit_failed")
    outcome = project.run("--keep-sandbox", "failed")
    assert len(project.left()) == 1
    assert "sandboxes kept: 1" in outcome.out


def test_a_run_whose_further_check_failed_is_kept(project: Project) -> None:
    project.scenario("checked")
    project.conftest(
        "def dear(report):\n    assert report.cost_usd is not None\n\n"
        "def pytest_2501bench_checks(run):\n    return {'dear': dear}\n"
    )
    project.run("--keep-sandbox", "failed")
    assert len(project.left()) == 1


def test_hosts_that_were_not_made_are_not_kept(project: Project) -> None:
    project.scenario("lost")
    project.fault("provider.create", "sandbox_not_created")
    outcome = project.run("--keep-sandbox", "all")
    assert "sandboxes kept" not in outcome.out
    assert entries(project) == []


def test_registered_hosts_go_into_quarantine_and_are_not_put_back(project: Project) -> None:
    project.fakes(fresh=False)
    project.scenario(
        "host", validation={"tasks": [NEVER]}, hosts=[{"host_id": "hst_1"}], agents=[{"agent_id": "agt_1"}]
    )
    project.run("--keep-sandbox", "failed")

    (reason,) = project.calls("provider.quarantine")
    assert "kept for a look at host run1" in reason
    calls = [name.split()[0] for name in project.calls()]
    assert calls.index("provider.quarantine") < calls.index("provider.keep")
    assert "provider.destroy" not in calls


@pytest.mark.parametrize("at", ["gateway.submit", "gateway.fetch"])
def test_an_interrupted_session_keeps_nothing(project: Project, at: str) -> None:
    project.scenario("key")
    project.fault(at, "KeyboardInterrupt")
    outcome = project.run("--keep-sandbox", "all")
    assert project.left() == []
    assert "sandboxes kept" not in outcome.out


@pytest.mark.parametrize("what", ["KeyboardInterrupt", "restore_failed"])
def test_hosts_that_cannot_be_kept_are_removed(red_and_green: Project, what: str) -> None:
    red_and_green.fault("provider.keep", what, "the ledger is full")
    outcome = red_and_green.run("--keep-sandbox", "all")
    assert red_and_green.left() == []
    assert entries(red_and_green) == []
    assert "sandboxes kept" not in outcome.out
    assert what == "KeyboardInterrupt" or "the ledger is full" in outcome.out


def test_commands_name_a_bench_directory_that_only_the_command_line_named(red_and_green: Project) -> None:
    red_and_green.scenario("red", validation={"tasks": [NEVER]})
    outcome = red_and_green.run("--keep-sandbox", "failed", "--bench-dir", "elsewhere")
    assert f"--bench-dir {red_and_green.root / 'elsewhere'}" in outcome.out.split("sandboxes kept", 1)[1]


def test_a_wrong_word_is_a_usage_error(red_and_green: Project) -> None:
    message = red_and_green.run("--keep-sandbox", "red").usage_error()
    assert message == "ERROR: --keep-sandbox red: must be one of none, failed, all."
