"""However a session ends, nothing of it stays: no sandbox, no process, no engine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.benchmark import ROOT, benchmark, command, environment

from pytest_2501bench.evidence.folder import read_report, runs_in
from pytest_2501bench.sandbox.namespace import NamespaceProvider

pytestmark = pytest.mark.namespace
NGINX = "scenarios/nginx/001-broken-config"


def _children_marked(mark: str) -> list[int]:
    """Return processes that have *mark* in their environment: everything a session started, however it detached."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _sandboxes_of(pid: int) -> list[str]:
    return [owned.name for owned in NamespaceProvider().list_owned() if owned.owner_pid == pid]


class Session:
    """A benchmark with an agent that never ends, stopped in the middle of its job."""

    def __init__(self, tmp_path: Path) -> None:
        self.mark = f"BENCH_TEST_MARK={tmp_path.name}-{os.getpid()}"
        self.bench_dir = tmp_path / "bench"
        agent = tmp_path / "agent.sh"
        agent.write_text(f'#!/bin/sh\ntouch {tmp_path}/working\nexec ssh -F "$BENCH_SSH_CONFIG" web-01 sleep 301\n')
        agent.chmod(0o755)
        name, _, value = self.mark.partition("=")
        self.process = subprocess.Popen(
            command(NGINX, "--agent-command", str(agent), bench_dir=self.bench_dir),
            cwd=ROOT,
            env=environment(**{name: value}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not (tmp_path / "working").exists():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline, "the agent never started"
            time.sleep(0.05)
        time.sleep(0.5)

    def end(self) -> str:
        return self.process.communicate(timeout=60)[0]

    def gone(self, seconds: float = 10) -> list[int]:
        """Wait for the processes to end; return those that did not."""
        deadline = time.monotonic() + seconds
        while (left := _children_marked(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path)
    yield session
    if session.process.poll() is None:
        os.killpg(session.process.pid, signal.SIGKILL)
        session.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_session_removes_its_sandbox_and_stores_the_run(
    session: Session, number: signal.Signals
) -> None:
    assert _sandboxes_of(session.process.pid)

    session.process.send_signal(number)
    output = session.end()

    assert session.process.returncode == 2, output
    assert "Traceback" not in output
    assert not _sandboxes_of(session.process.pid)
    assert session.gone() == []
    (folder,) = runs_in(session.bench_dir)
    report = read_report(folder.path)
    assert (report.failure_cause, report.status) == ("interrupted", "error")


def test_a_killed_session_leaves_nothing_after_the_next_start(session: Session, tmp_path: Path) -> None:
    assert _sandboxes_of(session.process.pid)

    session.process.kill()
    session.end()
    finished = benchmark("scenarios/nginx/001-broken-config", "--agent", "noop", bench_dir=session.bench_dir)

    assert not _sandboxes_of(session.process.pid)
    assert session.gone() == []
    assert "which an earlier session could not store" in finished.output
    reports = [read_report(run.path) for run in runs_in(session.bench_dir)]
    assert sorted(str(report.status) for report in reports) == ["error", "failed"], finished.output
