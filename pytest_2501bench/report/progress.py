"""What a run is doing while it does it: a live line on a terminal, few plain lines in a log file of CI."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

from rich.cells import cell_len, set_cell_size

from pytest_2501bench.errors import Phase
from pytest_2501bench.report.plain import one_line

FIRST_LINE_AFTER: Final = 10.0
"""Seconds that a phase may take before a log without a terminal hears of it."""
THEN_EVERY: Final = 30.0

# The live line stands below the cursor, which never moves: pytest may have written half a line and goes on there.
# IND makes room below without changing the column, also at the bottom of the screen.
_MAKE_ROOM: Final = "\x1bD\x1b[A"
_BELOW: Final = "\x1b7\x1b[B\r\x1b[2K"
_BACK: Final = "\x1b8"


class PhaseProgress:
    """Shows the phase of the run in hand and how long it has lasted; does not pass through pytest's capture.

    Everything may be called from any thread, at any time, in any order. Trouble with the stream ends the display, never
    the run. Call :meth:`hide` before something else is written to the terminal; the next phase or detail shows the line
    again.

    Args:
        write: puts text on the terminal at once.
        isatty: the terminal understands cursor movements; otherwise plain lines are written, one for a phase that lasts
            longer than :data:`FIRST_LINE_AFTER`, then one every :data:`THEN_EVERY` seconds.
        interval: seconds between two looks at the clock.
        columns: width of the terminal, asked each time, since windows are resized.
        column: how much of the current line pytest has written; 0 at its start. A plain line begins below such a line.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._isatty = isatty
        self._interval = interval
        self._columns = columns
        self._column = column
        self._clock = clock
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None
        self._broken = False
        self._shown = False  # a live line is on the screen
        self._hidden = True
        self._run = ""
        self._phase: Phase | None = None
        self._detail = ""
        self._since = 0.0
        self._due = 0.0  # of the next plain line
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

    def phase(self, run: str, phase: Phase) -> None:
        """Show that *phase* of *run* starts."""
        with self._lock:
            self._run, self._phase, self._detail = run, phase, ""
            self._since = self._clock()
            self._due = self._since + FIRST_LINE_AFTER
            self._hidden = False
            self._draw()
        self._start()

    def detail(self, line: str) -> None:
        """Show *line*, what the phase is at, until the next one."""
        with self._lock:
            self._detail = line
            if self._phase is not None:
                self._hidden = False
                self._draw()

    def done(self) -> None:
        """Take the live line away, because the run is over."""
        with self._lock:
            self._phase = None
            self.hide()

    def hide(self) -> None:
        """Take the live line away, because something else is about to be written."""
        with self._lock:
            self._hidden = True
            if self._shown:
                self._shown = False
                self._put(_BELOW + _BACK)

    def close(self) -> None:
        """End the display and its thread; harmless when repeated."""
        self.done()
        self._stop.set()
        ticker = self._ticker
        if ticker is not None and ticker is not threading.current_thread():
            ticker.join(timeout=5)

    def tick(self) -> None:
        """Show how the time passes; called by the display's own thread every *interval* seconds."""
        with self._lock:
            if self._phase is None or self._hidden:
                return
            if self._isatty:
                self._draw()
            elif self._clock() >= self._due:
                self._due = self._clock() + THEN_EVERY
                written = self._column()
                # Nothing new since our last line, which ended with a line feed: the cursor is at the start of a line.
                lead = "\n" if written and written != self._left_at else ""
                self._left_at = written
                self._put(f"{lead}{self._text()}\n")

    def _text(self) -> str:
        lasted = f"{self._clock() - self._since:.0f} s"
        return one_line(" · ".join(filter(None, (self._run, f"{self._phase} {lasted}", self._detail))))

    def _draw(self) -> None:
        if not self._isatty or self._phase is None:
            return
        # One column less: a full line leaves some terminals with the cursor in the next one.
        width = max(self._columns() - 1, 10)
        text = self._text()
        if cell_len(text) > width:
            text = set_cell_size(text, width - 1) + "…"
        self._shown = True
        self._put(f"{_MAKE_ROOM}{_BELOW}{text}{_BACK}")

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
