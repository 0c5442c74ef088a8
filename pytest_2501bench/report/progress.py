"""What runs are doing while they do it: live lines on a terminal, few plain lines in a log file of CI."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TextIO

from rich.cells import cell_len, set_cell_size

from pytest_2501bench.errors import Phase
from pytest_2501bench.report.plain import one_line

FIRST_LINE_AFTER: Final = 10.0
"""Seconds that a phase may take before a log without a terminal hears of it."""
THEN_EVERY: Final = 30.0

# The live lines stand below the cursor, which never moves: pytest may have written half a line and goes on there.
# IND makes room below without changing the column, also at the bottom of the screen.
_ROOM: Final = "\x1bD"
_UP: Final = "\x1b[A"
_SAVE: Final = "\x1b7"
_BELOW: Final = "\x1b[B\r\x1b[2K"
_BACK: Final = "\x1b8"


@dataclass
class _Row:
    run: str
    phase: Phase
    since: float
    due: float  # of the next plain line
    detail: str = ""


class PhaseProgress:
    """Shows the phases of the runs in hand and how long they have lasted; does not pass through pytest's capture.

    Everything may be called from any thread, at any time, in any order. Trouble with the stream ends the display, never
    the run. Call :meth:`hide` before something else is written to the terminal; the next phase or detail shows the
    lines again.

    Args:
        write: puts text on the terminal at once.
        isatty: the terminal understands cursor movements; otherwise plain lines are written, one for a phase that lasts
            longer than :data:`FIRST_LINE_AFTER`, then one every :data:`THEN_EVERY` seconds, times the number of runs.
        interval: seconds between two looks at the clock.
        columns: width of the terminal, asked each time, since windows are resized.
        column: how much of the current line pytest has written; 0 at its start. A plain line begins below such a line.
        rows: how many live lines there may be, asked each time.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        isatty: bool,
        interval: float = 1.0,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
        column: Callable[[], int] = lambda: 0,
        rows: Callable[[], int] = lambda: max(shutil.get_terminal_size().lines // 2, 2),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._isatty = isatty
        self._interval = interval
        self._columns = columns
        self._column = column
        self._most = rows
        self._clock = clock
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None
        self._broken = False
        self._shown = 0  # live lines on the screen
        self._hidden = True
        self._rows: dict[str, _Row] = {}  # by worker; in a session without workers there is one, ""
        self._left = 0  # runs that nobody has begun; only counted where there are workers
        self._ended = 0
        self._left_at = 0  # pytest's column when the last plain line was written

    @classmethod
    def on(cls, stream: TextIO, *, column: Callable[[], int] = lambda: 0) -> PhaseProgress:
        """Return a display on *stream*: a text stream on a duplicate of the real stdout, made before capture starts."""

        def write(text: str) -> None:
            encoding = stream.encoding or "utf-8"
            stream.write(text.encode(encoding, "replace").decode(encoding))
            stream.flush()

        def columns() -> int:
            try:
                return os.get_terminal_size(stream.fileno()).columns or 80
            except (OSError, ValueError):
                return 80

        capable = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        return cls(write, isatty=capable, columns=columns, column=column)

    def expect(self, runs: int) -> None:
        """Count from now on: *runs* are to be made, by several workers."""
        with self._lock:
            self._left = runs

    def phase(self, run: str, phase: Phase, worker: str = "") -> None:
        """Show that *phase* of *run* starts, in *worker*."""
        with self._lock:
            now = self._clock()
            if worker not in self._rows:
                self._left = max(self._left - 1, 0)
            self._rows[worker] = _Row(run, phase, now, now + FIRST_LINE_AFTER)
            self._hidden = False
            self._draw()
        self._start()

    def detail(self, line: str, worker: str = "") -> None:
        """Show *line*, what the phase is at, until the next one."""
        with self._lock:
            row = self._rows.get(worker)
            if row is not None:
                row.detail = line
                self._hidden = False
                self._draw()

    def done(self, worker: str = "") -> None:
        """Take the live line of *worker* away, because its run is over."""
        with self._lock:
            if self._rows.pop(worker, None) is not None:
                self._ended += 1
            if self._rows and not self._hidden:
                self._draw()
            else:
                self.hide()

    def hide(self) -> None:
        """Take the live lines away, because something else is about to be written."""
        with self._lock:
            self._hidden = True
            shown, self._shown = self._shown, 0
            if shown:
                self._put(_SAVE + _BELOW * shown + _BACK)

    def show(self) -> None:
        """Show the live lines again, because what was to be written is written."""
        with self._lock:
            self._hidden = False
            self._draw()

    def close(self) -> None:
        """End the display and its thread; harmless when repeated."""
        with self._lock:
            self._rows.clear()
            self.hide()
        self._stop.set()
        ticker = self._ticker
        if ticker is not None and ticker is not threading.current_thread():
            ticker.join(timeout=5)

    def tick(self) -> None:
        """Show how the time passes; called by the display's own thread every *interval* seconds."""
        with self._lock:
            if not self._rows or self._hidden:
                return
            if self._isatty:
                self._draw()
                return
            now = self._clock()
            for row in self._rows.values():
                if now >= row.due:
                    row.due = now + THEN_EVERY * len(self._rows)
                    self._put_line(self._text(row, now))

    def _put_line(self, text: str) -> None:
        written = self._column()
        # Nothing new since our last line, which ended with a line feed: the cursor is at the start of a line.
        lead = "\n" if written and written != self._left_at else ""
        self._left_at = written
        self._put(f"{lead}{text}\n")

    def _text(self, row: _Row, now: float) -> str:
        lasted = f"{now - row.since:.0f} s"
        return one_line(" · ".join(filter(None, (row.run, f"{row.phase} {lasted}", row.detail))))

    def _lines(self) -> list[str]:
        now = self._clock()
        most = max(self._most(), 1)
        # The longest in their phase first: who looks wants to know what is stuck.
        rows = sorted(self._rows.values(), key=lambda row: row.since)
        lines = [self._text(row, now) for row in rows[:most]]
        if set(self._rows) != {""}:
            hidden = f" ({len(rows) - most} not shown)" if len(rows) > most else ""
            lines.append(f"{len(rows)} running{hidden}, {self._left} waiting, {self._ended} done")
        return lines

    def _draw(self) -> None:
        if not self._isatty or not self._rows:
            return
        # One column less: a full line leaves some terminals with the cursor in the next one.
        width = max(self._columns() - 1, 10)
        lines = [set_cell_size(text, width - 1) + "…" if cell_len(text) > width else text for text in self._lines()]
        count = max(len(lines), self._shown)  # lines that are no more are blanked
        self._shown = len(lines)
        padded = [*lines, *[""] * (count - len(lines))]
        self._put(_ROOM * count + _UP * count + _SAVE + "".join(_BELOW + text for text in padded) + _BACK)

    def _put(self, text: str) -> None:
        if self._broken:
            return
        try:
            self._write(text)
        except (OSError, ValueError):  # closed pipe, closed file
            self._broken = True

    def _start(self) -> None:
        with self._lock:
            if self._ticker is None and not self._stop.is_set():
                self._ticker = threading.Thread(target=self._tick_on, name="2501bench progress", daemon=True)
                self._ticker.start()

    def _tick_on(self) -> None:
        while not self._stop.wait(self._interval):
            if self._broken:
                return
            self.tick()
