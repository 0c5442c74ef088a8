"""``--log-file``: everything that pytest prints, and what each run did, in one file."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pytest

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.matrix import run_name_of

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Transcript:
    """A plugin that writes along with the terminal, and adds a run's phases and logs when it is over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._config: pytest.Config | None = None
        self._told: set[str] = set()

    @classmethod
    def open(cls, path: Path, arguments: Sequence[str]) -> Transcript:
        """Begin the file anew.

        Raises:
            BenchError: ``option_invalid``: it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as exc:
            raise BenchError(Cause.OPTION_INVALID, f"--log-file {path}: cannot be written: {exc.strerror}.") from None
        transcript = cls(stream)
        transcript.debug(f"pytest {shlex.join(arguments)}")
        return transcript

    def close(self) -> None:
        """End the file."""
        self._stream.close()

    def write(self, text: str) -> None:
        """Write *text* as it is, without colours."""
        if not self._stream.closed:
            self._stream.write(_STYLE.sub("", text))
            self._stream.flush()

    def debug(self, line: str) -> None:
        """Write a line of our own, with the time."""
        self.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} debug {line}\n")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> Generator[None, object, object]:
        """Listen to the terminal reporter's writer, as pytest's own pastebin plugin does."""
        self._config = session.config
        reporter: Any = session.config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            written = reporter._tw.write

            def write(message: str, **markup: Any) -> None:
                written(message, **markup)
                self.write(message)

            reporter._tw.write = write
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, object, object]:
        """Tell what a run did, once it is settled."""
        result = yield
        self.debug(f"{report.nodeid} {report.when} {report.outcome} {report.duration:.3f} s")
        note: dict[str, Any] | None = getattr(report, "bench2501", None)
        if note is not None and note["settled"] and note["folder"] not in self._told and self._config is not None:
            self._told.add(note["folder"])
            from pytest_2501bench.state import STATE

            self._run(self._config.stash[STATE].settings.bench_dir / note["folder"])
        return result

    def _run(self, folder: Path) -> None:
        from pytest_2501bench.evidence.read import read_evidence

        try:
            evidence = read_evidence(folder)
        except BenchError as exc:
            self.debug(str(exc))
            return
        self.debug(f"{evidence.run.key} {run_name_of(evidence.run.nodeid)}: {folder}")
        for phase in evidence.phases:
            self.debug(f"  {phase.name} {phase.status} {phase.seconds:.3f} s {phase.message}".rstrip())
        for task in (evidence.job.tasks or ()) if evidence.job is not None else ():
            for command in task.executed_commands or ():
                self.debug(f"  {task.agent_name or task.agent_id}: [{command.exit_status}] {command.command}")
        for warning in evidence.warnings:
            self.debug(f"  warning: {warning}")
        for log in sorted(folder.glob("*.log")):
            self.debug(f"  {log.name}:")
            self.write(log.read_text(encoding="utf-8", errors="replace").rstrip("\n") + "\n")
