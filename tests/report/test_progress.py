"""The live line of a terminal, and the few lines of a log."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable

import pytest

from pytest_2501bench.errors import Phase
from pytest_2501bench.report.progress import PhaseProgress

RUN = "nginx/001 run1"


class Screen:
    """As much of a terminal as the display uses: a grid of lines that scrolls, a cursor, a saved cursor."""

    def __init__(self, width: int = 60, height: int = 6) -> None:
        self.width, self.height = width, height
        self.lines = [""]
        self.row = self.column = 0
        self._saved = (0, 0)

    def write(self, text: str) -> None:
        for token in re.findall(r"\x1b\[\d*[A-Z]|\x1b[78D]|[^\x1b]", text):
            self._apply(token)

    def _apply(self, token: str) -> None:
        match token:
            case "\n":
                self._down()
                self.column = 0
            case "\r":
                self.column = 0
            case "\x1bD":
                self._down()
            case "\x1b[A":
                self.row = max(self.row - 1, 0)
            case "\x1b[B":
                self.row = min(self.row + 1, len(self.lines) - 1)
            case "\x1b[2K":
                self.lines[self.row] = ""
            case "\x1b7":
                self._saved = (self.row, self.column)
            case "\x1b8":
                self.row, self.column = self._saved
            case char:
                assert len(char) == 1, f"unexpected sequence {char!r}"
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
                self.column += 1
                assert self.column < self.width, "the line is too long"

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")
        if len(self.lines) > self.height:
            del self.lines[0]
            self.row -= 1

    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.rstrip()]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def live(screen: Screen, clock: Clock) -> PhaseProgress:
    return PhaseProgress(screen.write, isatty=True, interval=3600, columns=lambda: screen.width, clock=clock)


def logged(clock: Clock, column: Callable[[], int] = lambda: 0) -> tuple[PhaseProgress, list[str]]:
    written: list[str] = []
    return PhaseProgress(written.append, isatty=False, interval=3600, column=column, clock=clock), written


def test_a_live_line_shows_run_phase_time_and_detail() -> None:
    screen, clock = Screen(), Clock()
    progress = live(screen, clock)
    progress.phase(RUN, Phase.EXECUTE)
    progress.detail("web-01: task 1 running")
    clock.now += 12.4
    progress.tick()
    assert screen.shown() == ["nginx/001 run1 · execute 12 s · web-01: task 1 running"]
    progress.close()


@pytest.mark.parametrize("before", [0, 3, 20])
def test_pytest_goes_on_in_the_middle_of_its_line(before: int) -> None:
    screen, clock = Screen(), Clock()
    screen.write("earlier\n" * before + "scenario.json ")
    progress = live(screen, clock)
    progress.phase(RUN, Phase.PREPARE)
    clock.now += 1
    progress.tick()
    assert screen.shown()[-2:] == ["scenario.json", "nginx/001 run1 · prepare 1 s"]
    progress.done()
    screen.write(".F\n")
    assert screen.shown()[-1] == "scenario.json .F"
    progress.close()


def test_a_hidden_line_stays_away_until_there_is_news() -> None:
    screen, clock = Screen(), Clock()
    progress = live(screen, clock)
    progress.phase(RUN, Phase.VALIDATE)
    progress.hide()
    clock.now += 5
    progress.tick()
    assert screen.shown() == []
    progress.detail("validate.yml: the site answers")
    assert screen.shown() == ["nginx/001 run1 · validate 5 s · validate.yml: the site ans…"]
    progress.close()
    assert screen.shown() == []


def test_a_long_or_hostile_detail_stays_one_line() -> None:
    screen, clock = Screen(width=40), Clock()
    progress = live(screen, clock)
    progress.phase(RUN, Phase.EXECUTE)
    progress.detail("\x1b[2J\x1b]0;x\x07線" * 40 + "\n\n")
    assert len(screen.shown()) == 1
    assert screen.shown()[0].endswith("…")
    progress.close()


def test_a_log_hears_of_a_phase_after_ten_seconds_and_then_every_thirty() -> None:
    clock = Clock()
    progress, written = logged(clock)
    progress.phase(RUN, Phase.EXECUTE)
    progress.detail("job in_progress")
    for _ in range(75):
        clock.now += 1
        progress.tick()
    assert written == [f"nginx/001 run1 · execute {seconds} s · job in_progress\n" for seconds in (10, 40, 70)]
    progress.close()


def test_short_phases_leave_no_trace_in_a_log() -> None:
    clock = Clock()
    progress, written = logged(clock)
    for phase in (Phase.PROVISION, Phase.PREPARE, Phase.EXECUTE, Phase.VALIDATE):
        progress.phase(RUN, phase)
        clock.now += 9
        progress.tick()
    progress.close()
    assert written == []


def test_a_line_of_a_log_begins_below_what_pytest_has_begun() -> None:
    clock, column = Clock(), [14]
    progress, written = logged(clock, lambda: column[0])
    progress.phase(RUN, Phase.EXECUTE)
    for _ in range(2):
        clock.now += 40
        progress.tick()
    column[0] = 15  # pytest has written a dot
    clock.now += 40
    progress.tick()
    assert [text[0] == "\n" for text in written] == [True, False, True]
    progress.close()


def test_time_passes_by_itself_and_ends_with_the_display() -> None:
    written: list[str] = []
    progress = PhaseProgress(written.append, isatty=True, interval=0.01, columns=lambda: 80)
    progress.phase(RUN, Phase.EXECUTE)
    deadline = time.monotonic() + 5
    while len(written) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    progress.close()
    progress.close()
    assert len(written) >= 4
    count = len(written)
    time.sleep(0.05)
    assert len(written) == count
    assert not [thread for thread in threading.enumerate() if thread.name == "2501bench progress"]


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_stream_that_breaks_ends_the_display_and_not_the_run(error: Exception) -> None:
    calls = []

    def write(text: str) -> None:
        calls.append(text)
        raise error

    progress = PhaseProgress(write, isatty=True, interval=3600, columns=lambda: 80)
    progress.phase(RUN, Phase.EXECUTE)
    progress.detail("more")
    progress.done()
    progress.close()
    assert len(calls) == 1


def test_a_stream_in_a_poor_encoding_still_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    progress = PhaseProgress.on(stream)
    monkeypatch.setattr(progress, "_clock", clock := Clock())
    progress.phase(RUN, Phase.EXECUTE)
    clock.now += 11
    progress.tick()
    progress.close()
    assert raw.getvalue() == b"nginx/001 run1 ? execute 11 s\n"
