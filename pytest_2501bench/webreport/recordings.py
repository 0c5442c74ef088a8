"""Recorded SSH sessions for the run page: what the player may have of an asciicast, and the same as plain text.

The content is an agent's and a host's, so nothing of it is taken as it is: only the kinds of events that a replay
needs, with values of the right type and in sane bounds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_2501bench.report.plain import one_line, printable

if TYPE_CHECKING:
    from pytest_2501bench.evidence.model import Recording

MOST_BYTES: Final = 1_000_000
"""Of one file; what comes after is not replayed."""
_SIZES: Final = ((20, 300), (5, 100))


@dataclass(frozen=True, slots=True)
class Replay:
    """What is replayed in one player: a login shell, or commands that were run one after the other.

    Attributes:
        title: what it is.
        files: its recordings, relative to the run's folder.
        seconds: how long they took together.
        cast: lines of an asciicast v2 for the player; None when there is nothing to see.
        transcript: what was seen, as text.
        notes: what is missing, or added.
    """

    title: str
    files: tuple[str, ...]
    seconds: float
    cast: str | None
    transcript: str
    notes: tuple[str, ...]


_Event = tuple[float, str, str]


@dataclass(frozen=True, slots=True)
class _Session:
    recording: Recording
    size: tuple[int, int]
    events: tuple[_Event, ...]
    note: str


def load_replays(folder: Path, recordings: Sequence[Recording], budget: int = MOST_BYTES) -> tuple[Replay, ...]:
    """Read the *recordings* of the run in *folder*, at most *budget* bytes of them.

    Agents that do not log in leave a recording of each command. Those of a host are joined: nobody opens 50 players.
    """
    found: list[Replay] = []
    joined: list[_Session] = []
    for recording in sorted(recordings, key=lambda each: (each.host, each.started_at)):
        session = _read(folder, recording, budget)
        budget -= sum(len(text) for _, _, text in session.events)
        if joined and (recording.command is None or joined[-1].recording.host != recording.host):
            found.append(_joined(joined))
            joined = []
        if recording.command is None:
            found.append(_replay(f"{recording.host}: login shell", [session], list(session.events)))
        else:
            joined.append(session)
    if joined:
        found.append(_joined(joined))
    return tuple(found)


def _joined(sessions: Sequence[_Session]) -> Replay:
    events: list[_Event] = []
    begun = sessions[0].recording.started_at
    now = 0.0
    for session in sessions:
        now = max(now, session.recording.started_at - begun)
        command = one_line(session.recording.command or "", 500)
        events += [(now, "m", command), (now, "o", f"\x1b[0m\x1b[1m$ {command}\x1b[0m\r\n")]
        events += [(round(now + at, 6), code, text) for at, code, text in session.events if code == "o"]
        status = session.recording.exit_status
        now += max(session.recording.seconds, session.events[-1][0] if session.events else 0.0)
        if status:
            events.append((round(now, 6), "o", f"\x1b[0m(exit status {status})\r\n"))
    many = "1 command" if len(sessions) == 1 else f"{len(sessions)} commands"
    return _replay(
        f"{sessions[0].recording.host}: {many}", sessions, events, ("Lines with $ and the exit status are added.",)
    )


def _replay(title: str, sessions: Sequence[_Session], events: list[_Event], notes: tuple[str, ...] = ()) -> Replay:
    width, height = max(each.size[0] for each in sessions), max(each.size[1] for each in sessions)
    header = {"version": 2, "width": width, "height": height}
    shown = any(code == "o" for _, code, _ in events)
    return Replay(
        title=title,
        files=tuple(each.recording.file for each in sessions),
        seconds=sum(each.recording.seconds for each in sessions),
        cast="\n".join(json.dumps(each) for each in (header, *events)) if shown else None,
        transcript=printable("".join(text for _, code, text in events if code == "o")),
        notes=tuple(filter(None, (*(each.note for each in sessions), *notes))) if shown else ("Nothing was shown.",),
    )


def _read(folder: Path, recording: Recording, budget: int) -> _Session:
    most = min(budget, MOST_BYTES)
    if most <= 0:
        return _Session(recording, (80, 24), (), f"Not on this page, which is long enough: {recording.file}.")
    path = inside(folder, recording.file)
    try:
        if path is None:
            raise FileNotFoundError
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        why = error.strerror or "it is not in the folder"
        return _Session(recording, (80, 24), (), f"{recording.file} cannot be read: {why}.")
    lines = content.split(b"\n")
    note = ""
    if len(content) > most:
        lines.pop()
        note = f"Only the beginning of {recording.file} is replayed."
    events = tuple(event for line in lines[1:] if (event := _event(line)))
    return _Session(recording, _size(lines[0]), events, note)


def inside(folder: Path, relative: str) -> Path | None:
    """Return the file *relative* names, if it lies within *folder*, links followed."""
    path = (folder / relative).resolve()
    return path if path.is_relative_to(folder.resolve()) and path.is_file() else None


def _size(line: bytes) -> tuple[int, int]:
    try:
        given = json.loads(line)
    except ValueError:
        given = {}
    if not isinstance(given, dict):
        given = {}
    return _bounded(given.get("width"), *_SIZES[0], 80), _bounded(given.get("height"), *_SIZES[1], 24)


def _bounded(value: Any, least: int, most: int, default: int) -> int:
    return min(max(value, least), most) if isinstance(value, int) and not isinstance(value, bool) else default


def _event(line: bytes) -> _Event | None:
    try:
        moment, code, text = json.loads(line)
        if not isinstance(text, str) or not 0 <= float(moment) < 1e7:
            return None
        moment = float(moment)
    except (ValueError, TypeError):
        return None
    if code in ("o", "m"):
        return moment, code, text
    if code != "r":  # what was typed stands in the table of commands
        return None
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()) or len(text) > 9:
        return None
    return moment, code, f"{_bounded(int(width), *_SIZES[0], 80)}x{_bounded(int(height), *_SIZES[1], 24)}"
