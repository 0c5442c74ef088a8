"""What a person did on a sandbox's hosts, line by line, from the recordings of the bastion."""

from __future__ import annotations

import bisect
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.authoring.marked_shell import File, Prompt, marks
from pytest_2501bench.bastion.cast import SUFFIX
from pytest_2501bench.bastion.typed_lines import TypedLines, reads_commands

log = logging.getLogger(__name__)

_GOODBYE = frozenset({"exit", "logout", "exit 0"})


@dataclass(frozen=True, slots=True)
class Edit:
    """A file before and after an editor; None: there was none, or it is not known."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was entered.

    Attributes:
        at: when it was done, in Unix seconds.
        status: its exit status; None: not known.
        folder: where it was entered; None: not known.
        home: the folder in which its session began; None: not known.
        keys_only: it is known from keystrokes: completion and history are not seen in it.
    """

    host: str
    session: str
    at: float
    text: str
    status: int | None = None
    folder: str | None = None
    home: str | None = None
    keys_only: bool = False
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class _Typed:
    at: float
    text: str


def lines_of(recordings: Path) -> list[Line]:
    """Return what was entered on all hosts of a sandbox, in the order of its end.

    *recordings* has a folder for each host. A session that is still open counts as far as it is recorded.
    """
    found = [
        line
        for path in sorted(recordings.glob(f"*/*{SUFFIX}"))
        for line in _session(path, host=path.parent.name, session=f"{path.parent.name}/{path.stem}")
    ]
    return sorted(found, key=lambda line: line.at)


def _session(path: Path, *, host: str, session: str) -> Iterator[Line]:
    try:
        first, *rest = path.read_bytes().splitlines()
        header = json.loads(first)
        begun, command = float(header["timestamp"]), header.get("command")
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        log.warning("%s: no recording: %s", path, error)
        return
    events = list(_events(rest))
    if command is not None and not reads_commands(command):
        yield Line(host, session, begun, command, _exit_status(events))
        return
    output, typed = _Output(), []
    keys = TypedLines(lambda text: typed.append(_Typed(begun + now, text)))
    now = 0.0
    for moment, code, text in events:
        now = moment
        if code == "o":
            output.add(begun + moment, text)
        elif code == "i":
            keys.feed(text.encode("utf-8", "replace"))
    keys.end()
    yield from _Reading(host, session, output, typed).lines()


def _events(rest: Sequence[bytes]) -> Iterator[tuple[float, str, str]]:
    for line in rest:
        try:
            moment, code, text = json.loads(line)
            yield float(moment), str(code), str(text)
        except (ValueError, TypeError):  # the last line of a recording that goes on
            continue


def _exit_status(events: Sequence[tuple[float, str, str]]) -> int | None:
    for _, code, text in reversed(events):
        words = text.replace(",", "").split()
        if code == "m" and words[:2] == ["end:", "status"]:
            return None if words[2] == "unknown" else int(words[2])
    return None


class _Output:
    """What a session showed, and when."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._ends: list[int] = []
        self._times: list[float] = []

    def add(self, at: float, text: str) -> None:
        self._pieces.append(text)
        self._ends.append((self._ends[-1] if self._ends else 0) + len(text))
        self._times.append(at)

    def marks(self) -> Iterator[tuple[float, File | Prompt]]:
        for place, mark in marks("".join(self._pieces)):
            yield self._times[bisect.bisect_right(self._ends, place)], mark


@dataclass
class _Reading:
    """Puts the marks of one session together with its keystrokes."""

    host: str
    session: str
    output: _Output
    typed: list[_Typed]

    def lines(self) -> Iterator[Line]:
        last: Prompt | None = None
        home: str | None = None
        files: list[File] = []
        for at, mark in self.output.marks():
            if isinstance(mark, File):
                files.append(mark)
                continue
            keys = self._keys(at)
            if last is None:
                home = mark.folder
            elif mark.number == last.number:
                pass  # an empty line
            elif reads_commands(mark.line):  # a shell in the shell, which marks nothing
                yield from self._by_keys(keys[1:])
            else:
                edits = tuple(_edits(files, last.folder))
                yield Line(self.host, self.session, at, mark.line, mark.status, last.folder, home, edits=edits)
            last, files = mark, []
        # What came after the last prompt: the session broke off, or there never was a prompt that marks.
        rest = self._keys(None)
        if last is not None and rest and reads_commands(rest[0].text):
            rest = rest[1:]
        yield from self._by_keys(rest)

    def _by_keys(self, keys: Sequence[_Typed]) -> Iterator[Line]:
        for key in keys:
            if key.text not in _GOODBYE:
                yield Line(self.host, self.session, key.at, key.text, keys_only=True)

    def _keys(self, until: float | None) -> list[_Typed]:
        count = len(self.typed) if until is None else sum(1 for key in self.typed if key.at <= until)
        taken, self.typed = self.typed[:count], self.typed[count:]
        return taken


def _edits(files: Sequence[File], folder: str) -> Iterator[Edit]:
    """Yield the files of one editor's call: each stands there once before it, once after it, or only after it."""
    by_name: dict[str, list[File]] = {}
    for file in files:
        by_name.setdefault(file.name, []).append(file)
    for name, seen in by_name.items():
        path = name if name.startswith("/") else f"{folder.rstrip('/')}/{name.removeprefix('./')}"
        yield Edit(path, seen[0].text if len(seen) > 1 else None, seen[-1].text)
