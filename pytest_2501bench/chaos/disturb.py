"""One pytest session with one run, in which one part is broken and restored; or none, to see what is usual."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from pytest_2501bench.chaos.inside import NOTE
from pytest_2501bench.chaos.judge import Judgement, Verdict, judge
from pytest_2501bench.chaos.parts import Breaker, Scene, breaker
from pytest_2501bench.chaos.plan import Kill
from pytest_2501bench.chaos.progress import Progress
from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.options import Settings
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.sandbox.protocol import SandboxProvider
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.unstored import import_left

KILLS_FILE = "kills.jsonl"
"""Beside the output of the sessions: a line for each kill."""
_MARK = "BENCH_CHAOS_RUN"
_STEP = 0.02
_LEFT_SECONDS = 15.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Usual:
    """What a scenario does when nothing is broken."""

    verdict: Verdict
    seconds: float  # of the whole session
    phases: Mapping[Phase, float]  # seconds


@dataclass(frozen=True, slots=True)
class _Ended:
    exit_status: int | None
    seconds: float
    struck: bool
    reports: tuple[ScenarioReport, ...]
    left: tuple[str, ...]


@dataclass(frozen=True)
class Disturber:
    """Makes sessions and breaks them.

    Attributes:
        arguments: of pytest, but for the scenario's key.
        bench_dir: for results and the output of each session; made when it is needed.
        settings: of the sessions.
        provider: of their sandboxes.
        commands: ``ENGINE_KILL_COMMAND`` and the like, by name.
    """

    arguments: Sequence[str]
    bench_dir: Path
    settings: Settings
    provider: SandboxProvider
    commands: Mapping[str, str]

    def usual(self, key: str, number: int) -> Usual:
        """Run *key* undisturbed.

        Raises:
            BenchError: ``option_invalid``: it does not run here, or not without an error.
        """
        log = self.bench_dir / f"usual-{number}.log"
        ended = self._session(key, log, None, timeout=3600)
        if len(ended.reports) != 1:
            raise BenchError(Cause.OPTION_INVALID, f"{key}: does not run here: {_last_words(log)}", log=log)
        report = ended.reports[0]
        if report.status is Status.ERROR:
            why = report.failure_message or report.task_validation.reason or report.compliance.reason
            what = f"{key}: ends with an error although nothing is broken yet: {why}"
            raise BenchError(Cause.OPTION_INVALID, what, log=log)
        return Usual(Verdict.of(report), ended.seconds, {each.name: each.seconds for each in report.phases})

    def disturbed(self, kill: Kill, usual: Usual) -> Judgement:
        """Run the scenario of *kill*, break what it names, restore it, and judge."""
        log = self.bench_dir / f"kill-{kill.number:03d}.log"
        ended = self._session(kill.key, log, (kill, usual), timeout=300 + 3 * usual.seconds)
        outcome, reason = judge(usual.verdict, ended.reports, struck=ended.struck, exit_status=ended.exit_status)
        return Judgement(kill, outcome, reason, ended.left, ended.seconds)

    def _session(self, key: str, log: Path, what: tuple[Kill, Usual] | None, *, timeout: float) -> _Ended:
        self.bench_dir.mkdir(parents=True, exist_ok=True)
        note = log.with_suffix(".engine")
        note.unlink(missing_ok=True)
        scene = Scene(note, self.bench_dir, self.provider, self.settings)
        tool = breaker(what[0].part, scene, self.commands) if what else None
        mark = secrets.token_hex(8)
        progress = Progress(self.bench_dir)
        began = time.monotonic()
        try:
            with log.open("wb") as output:
                process = subprocess.Popen(
                    self._command(key),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env={**os.environ, NOTE: str(note), _MARK: mark, **(tool.environment if tool else {})},
                )
            scene.pid = process.pid
            try:
                struck = _strike(process, progress, tool, *what) if tool and what else False
                status = _wait(process, began + timeout)
            finally:
                if process.poll() is None:
                    _stop(process)
        finally:
            if tool is not None:
                tool.mend()
                tool.close()
            note.unlink(missing_ok=True)
        seconds = time.monotonic() - began
        return _Ended(status, seconds, struck, self._stored(progress.benchmark_id), self._left(process.pid, mark))

    def _command(self, key: str) -> list[str]:
        alone = ["-n0"] if find_spec("xdist") else []
        mine = ["-p", "pytest_2501bench.chaos.inside", "-p", "no:cacheprovider", *alone, "--iter=1"]
        return [
            *(sys.executable, "-m", "pytest", *self.arguments, *mine),
            *(f"--scenarios={key}", f"--bench-dir={self.bench_dir}"),
        ]

    def _stored(self, benchmark_id: str | None) -> tuple[ScenarioReport, ...]:
        """Return what the database has of the session; what is missing, the next session would bring: we do."""
        if benchmark_id is None:
            return ()
        with Store.open(self.settings.database_url, self.bench_dir) as store:
            reports = store.reports(benchmark_id=benchmark_id)
            if not reports:
                import_left(self.bench_dir, store, {})
                reports = store.reports(benchmark_id=benchmark_id)
        return reports

    def _left(self, pid: int, mark: str) -> tuple[str, ...]:
        """Return what outlived the session, after some seconds in which it may still end."""
        deadline = time.monotonic() + _LEFT_SECONDS
        while True:
            left = [f"sandbox {owned.name}" for owned in self.provider.list_owned() if owned.owner_pid == pid]
            left += _processes(f"{_MARK}={mark}")
            if not left or time.monotonic() > deadline:
                return tuple(left)
            time.sleep(0.1)


def note(file: Path, done: Judgement) -> None:
    """Add a line of JSON for one kill: the plan's words, the outcome, the reason, what was left, the seconds."""
    fields = {**asdict(done.kill), "outcome": done.outcome, "reason": done.reason, "left": done.left}
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({**fields, "seconds": round(done.seconds, 2)}) + "\n")


def _strike(process: subprocess.Popen[bytes], progress: Progress, tool: Breaker, kill: Kill, usual: Usual) -> bool:
    """Wait for the moment, break the part, wait, restore it; return whether it was broken while the run went on."""
    while not progress.begun(kill.phase):
        if process.poll() is not None:
            return False
        time.sleep(_STEP)
    _pass(process, usual.phases.get(kill.phase, 0.0) * kill.moment)
    if process.poll() is not None:
        return False
    try:
        struck = tool.strike()
        if struck:
            _pass(process, kill.away)
    finally:
        tool.mend()
    return struck


def _pass(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Let time go by, as long as the session lives."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _wait(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return process.wait(max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a session that hangs, or whose user has enough, so that it cleans up if it can."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
            return


def _processes(mark: str) -> list[str]:
    """Return the processes that have *mark* in their environment; nothing without /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append(f"process {folder.name} ({name})")
    return found


def _last_words(log: Path) -> str:
    lines = [line.strip("= \n") for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    said = [line for line in lines if line]
    return next((line for line in said if line.startswith("ERROR")), said[-1] if said else "it said nothing")
