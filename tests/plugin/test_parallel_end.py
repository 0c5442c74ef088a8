"""Pre-flight with workers is made once, by the controller; and an interrupted session waits for its workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from support.plugin_project import Project, processes_in

INTERRUPTED = 2


@pytest.fixture
def two(project: Project) -> Project:
    project.scenario("key/1")
    project.scenario("key/2")
    return project


def test_preflight_with_workers_happens_once(two: Project) -> None:
    outcome = two.run("-n", "2")
    outcome.counts(passed=4)
    assert len(two.calls("gateway.preflight")) == 1
    assert "workers 2 (-n)" in outcome.out


def test_a_failed_preflight_with_workers_is_one_usage_error(two: Project) -> None:
    two.fakes(obstacles=[["no such thing here", "Install it."]])
    outcome = two.run("-n", "2")
    assert outcome.usage_error() == ("ERROR: pre-flight: --mode fake: no such thing here. Install it.")
    assert "INTERNALERROR" not in outcome.out


def test_an_unknown_scenario_with_workers_is_one_usage_error(two: Project) -> None:
    outcome = two.run("-n", "2", "--scenarios", "key/3")
    assert outcome.usage_error().startswith("ERROR: --scenarios: ")
    assert "node down" not in outcome.out


def test_a_run_that_needs_more_than_the_cap_is_a_usage_error(two: Project) -> None:
    outcome = two.run("--parallel-ram-cap", "0.5")
    assert outcome.usage_error() == (
        "ERROR: pre-flight: --parallel-ram-cap 0.5: a run of key/1 needs 1 GB, so it could never start. "
        "Raise the cap to 1 or more, or leave the scenario out."
    )


def test_bench_check_makes_no_runs_with_workers_either(two: Project) -> None:
    outcome = two.run("-n", "2", "--bench-check")
    assert outcome.status == 0, outcome.out
    assert "pre-flight passed; nothing was run" in outcome.out
    assert two.calls("provider.create") == []


def test_parallel_needs_xdist(two: Project) -> None:
    outcome = two.run("--parallel", "-p", "no:xdist")
    assert outcome.usage_error() == "ERROR: --parallel: needs pytest-xdist; do not switch it off with -p no:xdist."


def test_parallel_explains_its_number(two: Project) -> None:
    outcome = two.run("--parallel", "--parallel-ram-cap", "1.5")
    outcome.counts(passed=4)
    words = " ".join(outcome.out.split())
    assert "workers 1 (-n auto: 1.5 GB for all runs, up to 1 GB each)" in words


AGENTS = """
def pytest_2501bench_agents(config):
    return {"finder": "support.plugin_agents:Finder"}
"""


def test_workers_share_the_engine_of_their_controller(two: Project) -> None:
    two.monkeypatch.delenv("ENGINE_URL")
    two.monkeypatch.delenv("ENGINE_API_KEY")
    two.write("fake_key", "CANARY-KEY")
    two.write("fake_known_hosts", "")
    two.conftest(AGENTS)
    outcome = two.run("-n", "2", "--gateway", "runner", "--agent", "finder")
    outcome.counts(passed=4)
    assert len(list(two.bench_dir.glob("engines/*/engine.log"))) == 1
    assert processes_in(two.root) == []


def _controller_only(session: subprocess.Popen[str]) -> None:
    session.send_signal(signal.SIGTERM)


def _terminal(session: subprocess.Popen[str]) -> None:
    os.killpg(session.pid, signal.SIGINT)


@pytest.mark.parametrize("stop", [_controller_only, _terminal])
def test_an_interrupted_session_lets_its_workers_remove_their_sandboxes(
    two: Project, stop: Callable[[subprocess.Popen[str]], None]
) -> None:
    # Removing takes a while, as it does with a machine.
    two.fakes(faults=[{"at": "gateway.poll", "seconds": 60}, {"at": "provider.destroy", "seconds": 1.5}])
    session = _session(two, "-n", "2")
    try:
        _wait_for(lambda: len(two.calls("gateway.poll")) == 2)
        stop(session)
        out, _ = session.communicate(timeout=60)
    finally:
        session.kill()
        session.wait()
    assert session.returncode == INTERRUPTED, out
    assert "interrupted: 2 runs in hand, their sandboxes are removed" in out
    assert two.left() == []
    assert len(two.calls("gateway.cancel")) == 2
    assert [(report.status, report.failure_cause) for report in two.reports()] == [("error", "interrupted")] * 2
    assert "lost to infrastructure: 2" in out


def test_workers_of_a_killed_controller_remove_their_sandboxes(two: Project) -> None:
    two.fakes(faults=[{"at": "gateway.poll", "seconds": 60}])
    session = _session(two, "-n", "2")
    try:
        _wait_for(lambda: len(two.calls("gateway.poll")) == 2)
    finally:
        session.kill()
        session.communicate()
    _wait_for(lambda: not two.left() and not processes_in(two.root))


def _session(project: Project, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "--assert=plain", *args],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _wait_for(there: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
