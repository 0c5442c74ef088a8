"""How ``2501bench start`` ends: exit statuses from what happened, whatever was printed; signals; the log file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.plugin_project import NEVER, TESTS, Project

from .conftest import Said, command, run_apart


def start(project: Project, *words: str) -> Said:
    said = run_apart("start", *words, cwd=project.root, env=project.environment())
    assert "Traceback" not in said.err, said.err
    return said


def test_a_green_scenario_is_0_and_the_log_file_has_what_was_printed_and_more(project: Project) -> None:
    project.scenario("one")
    project.scenario("two")
    said = start(project, "-s", "one", "-i", "2", "--log-file", "logs/start.log", "--fail-on-error")
    assert said.status == 0, said.out + said.err
    assert project.runs() == {"one": 2}
    log = (project.root / "logs" / "start.log").read_text()
    for line in said.out.splitlines():
        assert line in log
    assert "debug   provision ok" in log
    assert "[0] du -sh /var/log" in log


def test_a_red_scenario_is_0_and_with_fail_on_error_1(project: Project) -> None:
    project.scenario("red", validation={"tasks": [NEVER]})
    assert start(project).status == 0
    assert start(project, "--fail-on-error").status == 1


def test_a_lost_run_is_1_even_when_another_one_passed_in_parallel(project: Project) -> None:
    project.scenario("key/1")
    project.scenario("key/2")
    project.fault("gateway.submit", "submit_failed", detail="Ticket of key/2")
    said = start(project, "--parallel", "2")
    assert said.status == 1, said.out
    assert {report.key: report.status for report in project.reports()} == {"key/1": "passed", "key/2": "error"}
    assert project.runs() == {"key/1": 1, "key/2": 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-s", "nothing"), "'nothing' matches no key and no tag"),
        (("-g", "runer"), "--gateway runer: no such gateway. Did you mean 'runner'?"),
        (("--env-file", "missing.env"), "missing.env: cannot be read: No such file or directory."),
    ],
)
def test_what_pytest_refuses_is_2(project: Project, words: tuple[str, ...], message: str) -> None:
    project.scenario("key")
    said = start(project, *words)
    assert said.status == 2
    assert message in said.err
    assert project.calls("provider.create") == []


def test_a_scenario_that_breaks_the_contract_is_2(project: Project) -> None:
    project.write("scenarios/broken/scenario.json", "{}")
    assert start(project).status == 2


def test_check_runs_nothing_and_needs_no_workers(project: Project) -> None:
    project.scenario("key")
    said = start(project, "--check", "--parallel", "4")
    assert said.status == 0, said.out
    assert "pre-flight passed" in said.out
    assert project.calls("provider.create") == []
    project.fakes(obstacles=[["no kernel here", "Bring one."]])
    refused = start(project, "--check")
    assert refused.status == 2
    assert "no kernel here. Bring one." in refused.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_130_and_leaves_no_sandbox(project: Project, number: signal.Signals) -> None:
    project.scenario("key/1")
    project.scenario("key/2")
    project.fakes(faults=[{"at": "gateway.poll", "seconds": 30}])
    process = subprocess.Popen(
        command("start"),
        cwd=project.root,
        env=project.environment() | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(TESTS)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not project.calls("gateway.poll") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(project.left()) == 1
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert project.left() == []
    assert len(project.calls("provider.create")) == 1
    assert project.report().failure_cause == "interrupted"


def test_a_mode_of_the_projects_conftest_is_known_to_sandbox_verbs(project: Project) -> None:
    said = run_apart("sandbox", "check", cwd=project.root, env=project.environment())
    assert (said.status, said.err) == (0, "")
    assert "mode fake works here" in said.out
    said = run_apart("sandbox", "check", "-m", "fakes", cwd=project.root, env=project.environment())
    assert said.status == 2
    assert "Did you mean 'fake'?" in said.err
    assert "Traceback" not in said.err


# ---- --source git ---------------------------------------------------------------------------------------------------


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def repository(project: Project) -> Project:
    project.scenario("committed")
    project.write(".gitignore", ".2501bench\ncalls.log\nalive\n")
    git(project.root, "init", "--quiet")
    git(project.root, "add", ".")
    git(project.root, "commit", "--quiet", "-m", "first")
    return project


def test_source_git_runs_what_is_committed_and_keeps_results_where_they_were(repository: Project) -> None:
    repository.scenario("not-committed")
    said = start(repository, "--source", "git")
    assert said.status == 0, said.out + said.err
    assert "; 1 changed file does not count." in said.err
    (report,) = repository.reports()
    assert (report.key, report.nodeid) == ("committed", "scenarios/committed/scenario.json::run1")
    assert git(repository.root, "worktree", "list").count("\n") == 1
    assert not (repository.bench_dir / "checkouts").exists()


def test_source_git_wants_a_repository_with_a_commit(project: Project) -> None:
    project.scenario("key")
    said = start(project, "--source", "git")
    assert said.status == 2
    assert "--source git" in said.err
    git(project.root, "init", "--quiet")
    said = start(project, "--source", "git")
    assert (said.status, "has no commit yet" in said.err) == (2, True)
    assert said.err.count("\n") == 1


def test_what_a_killed_session_checked_out_is_removed_by_the_next(repository: Project) -> None:
    left = repository.bench_dir / "checkouts" / "run_left"
    left.mkdir(parents=True)
    git(repository.root, "worktree", "add", "--quiet", "--detach", str(left / "tree"))
    assert start(repository, "--source", "git", "--check").status == 0
    assert not left.exists()
    assert git(repository.root, "worktree", "list").count("\n") == 1
