"""Phases of runs on the terminal, past pytest's capture."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, TextIO

import pytest

from pytest_2501bench.errors import Phase
from pytest_2501bench.phases import Announcer
from pytest_2501bench.report.progress import PhaseProgress


class TerminalAnnouncer(Announcer):
    """Hands everything to a :class:`~pytest_2501bench.report.progress.PhaseProgress`."""

    def __init__(self, progress: PhaseProgress, stream: TextIO) -> None:
        self.progress = progress
        self._stream = stream

    @classmethod
    def open(cls, config: pytest.Config) -> TerminalAnnouncer | None:
        """Return one on a duplicate of the real stdout; None where there is none, or with ``-q``."""
        terminal: Any = config.pluginmanager.getplugin("terminalreporter")
        capture: Any = config.pluginmanager.getplugin("capturemanager")
        if terminal is None or config.get_verbosity() < 0:
            return None
        # While capture is off, stdout is the user's again.
        off = capture.global_and_fixture_disabled() if capture is not None else contextlib.nullcontext()
        try:
            with off:
                stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding or "utf-8")
        except (OSError, ValueError, AttributeError):  # stdout is not a file, as under pytester
            return None
        return cls(PhaseProgress.on(stream, column=lambda: int(terminal._tw.width_of_current_line)), stream)

    def phase(self, run: str, phase: Phase) -> None:
        """Show that *phase* of *run* starts."""
        self.progress.phase(run, phase)

    def detail(self, line: str) -> None:
        """Show what the phase is at."""
        self.progress.detail(line)

    def done(self) -> None:
        """Take the line away."""
        self.progress.done()

    def close(self) -> None:
        """End the display."""
        self.progress.close()
        with contextlib.suppress(OSError):
            self._stream.close()
