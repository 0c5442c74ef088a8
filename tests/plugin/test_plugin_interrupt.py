"""Ctrl-C, SIGTERM and pytest.exit in every phase: no host stays, and what happened is stored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.plugin_project import NEVER, Project

INTERRUPTED = 2

CALLS = [
    ("provider.create", "provision"),
    ("gateway.register", "provision"),
    ("gateway.flush_memory", "flush"),
    ("gateway.submit", "execute"),
    ("gateway.poll", "execute"),
    ("gateway.fetch", "execute"),
]


@pytest.fixture
def two(project: Project) -> Project:
    project.scenario("key/1")
    project.scenario("key/2")
    return project


@pytest.mark.parametrize(
    ("at", "phase", "what"),
    [*((*call, "KeyboardInterrupt") for call in CALLS), *((*call, "pytest.exit") for call in CALLS[::4])],
)
def test_an_interrupt_in_a_phase(two: Project, at: str, phase: str, what: str) -> None:
    two.fault(at, what, "enough")
    outcome = two.run()
    assert outcome.status == INTERRUPTED, outcome.out
    assert two.left() == []
    assert two.members() == []
    assert len(two.calls("provider.create")) == 1  # the second scenario was not begun
    report = two.report()
    assert (report.key, report.status, report.failure_cause) == ("key/1", "error", "interrupted")
    assert report.failure_phase == phase
    assert two.evidence().finished_at is not None
    if at in ("gateway.poll", "gateway.fetch"):
        assert len(two.calls("gateway.cancel")) == 1 or at == "gateway.fetch"
    assert "INTERNALERROR" not in outcome.out
    assert "lost to infrastructure: 1" in outcome.out


@pytest.mark.parametrize("at", ["gateway.unregister", "provider.destroy"])
def test_an_interrupt_while_the_sandbox_is_removed(two: Project, at: str) -> None:
    two.fault(at, "KeyboardInterrupt", "enough", times=1)
    outcome = two.run()
    assert outcome.status == INTERRUPTED, outcome.out
    assert two.left() == []
    report = two.report()
    assert (report.key, report.status) == ("key/1", "passed")  # both verdicts were there already
    assert two.evidence().finished_at is not None


def test_an_interrupt_while_the_sandbox_of_a_lost_run_is_removed(two: Project) -> None:
    two.fakes(
        faults=[
            {"at": "gateway.submit", "raise": "submit_failed", "message": "no"},
            {"at": "provider.destroy", "raise": "KeyboardInterrupt", "times": 1},
        ]
    )
    outcome = two.run()
    assert outcome.status == INTERRUPTED, outcome.out
    assert two.left() == []
    assert two.report().failure_cause == "submit_failed"
    assert two.evidence().finished_at is not None


def test_an_interrupt_while_the_fix_must_hold(project: Project) -> None:
    project.scenario("key/1", bench={"outcome": [NEVER], "hold_seconds": 60})
    project.conftest("""
import time

real = time.sleep

def interrupted(seconds):
    if seconds == 60:
        raise KeyboardInterrupt
    real(seconds)

def pytest_runtestloop(session):
    time.sleep = interrupted
    session.config.add_cleanup(lambda: setattr(time, "sleep", real))
""")
    outcome = project.run()
    assert outcome.status == INTERRUPTED
    assert project.left() == []
    report = project.report()
    assert (report.failure_cause, report.failure_phase) == ("interrupted", "validate")


@pytest.mark.parametrize("after", ["scenario_run", "gateway", "sandbox", "evidence", "report"])
def test_an_interrupt_in_a_users_fixture(two: Project, after: str) -> None:
    two.conftest(f"""
import pytest

@pytest.fixture(scope="class")
def {after}({after}):
    raise KeyboardInterrupt
""")
    outcome = two.run()
    assert outcome.status == INTERRUPTED
    assert two.left() == []
    # Once validation is over the verdict is known; Ctrl-C does not take it away.
    report = two.report()
    assert report.status == ("passed" if after in ("evidence", "report") else "error")
    if report.status == "error":
        assert report.failure_cause == "interrupted"
        assert report.failure_message == "the run ended before its validation"


def test_an_interrupt_between_two_checks_keeps_the_verdicts(two: Project) -> None:
    two.conftest("""
def pytest_runtest_setup(item):
    if item.name == "compliance":
        raise KeyboardInterrupt
""")
    outcome = two.run()
    assert outcome.status == INTERRUPTED
    assert two.left() == []
    assert two.report().status == "passed"
    assert two.evidence().finished_at is not None


def test_the_summary_is_shown_after_an_interrupt(two: Project) -> None:
    two.conftest("""
def pytest_runtest_setup(item):
    if "key/2" in item.nodeid:
        raise KeyboardInterrupt
""")
    outcome = two.run()
    assert outcome.status == INTERRUPTED
    assert "1 passed of 1 scored; 0 lost to infrastructure" in outcome.out
    assert [report.key for report in two.reports()] == ["key/1"]


def test_an_interrupt_during_preflight_makes_nothing(two: Project) -> None:
    two.fault("gateway.preflight", "KeyboardInterrupt")
    outcome = two.run()
    assert outcome.status == INTERRUPTED
    assert two.calls() == ["gateway.preflight", f"gateway.close {os.getpid()}"]


def test_an_extension_that_exits_the_interpreter_is_at_fault(two: Project) -> None:
    two.fault("gateway.poll", "SystemExit", "3")
    two.run().counts(errors=4)
    assert two.left() == []
    for report in two.reports():
        assert report.failure_cause == "harness_bug"
        assert report.failure_message.startswith("execute: SystemExit: 3 (log: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_session_and_nothing_stays(two: Project, number: signal.Signals) -> None:
    two.fakes(faults=[{"at": "gateway.poll", "seconds": 60}])
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--assert=plain"],
        cwd=two.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(two.root / "calls.log", "gateway.poll")
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == INTERRUPTED, out
    assert two.left() == []
    report = two.report()
    assert (report.failure_cause, report.failure_phase) == ("interrupted", "execute")
    assert len(two.calls("gateway.cancel")) == 1


def test_handlers_of_signals_are_put_back(two: Project) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    two.run()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == before


def wait_for(path: Path, text: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{text} did not come"
        time.sleep(0.05)
