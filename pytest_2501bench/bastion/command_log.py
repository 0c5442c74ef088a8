"""The commands seen on one host, in the order of their start."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pytest_2501bench.bastion.cast import Cast
from pytest_2501bench.bastion.redaction import Redaction
from pytest_2501bench.bastion.traits import Reader
from pytest_2501bench.evidence.model import Command, CommandKind, Sighting, Transfer

log = logging.getLogger(__name__)

MAX_COMMAND = 262_144
"""Characters kept of one command line: heredocs count, file contents sent through them are cut."""


class Open(Protocol):
    """A session that is under way."""

    def end(self, exit_status: int | None) -> None:
        """Close what is open in it; harmless when repeated."""
        ...


class CommandLog:
    """Grows while an agent works; *on_change* is called after each change.

    *recordings*: the folder for recordings of sessions, None to make none. *redaction* holds for all that is kept.
    """

    def __init__(
        self,
        host_name: str,
        on_change: Callable[[], None],
        *,
        recordings: Path | None = None,
        redaction: Redaction | None = None,
    ) -> None:
        self._host_name = host_name
        self._on_change = on_change
        self._recordings = recordings
        self._redaction = redaction or Redaction()
        self._reader = Reader()
        self._commands: list[Command] = []
        self._begun: dict[int, float] = {}
        self._sessions = 0
        self._open: dict[int, Open] = {}

    def open_session(self, session: Open) -> str:
        """Take note of a session; return its name if it has no recording."""
        self._sessions += 1
        self._open[id(session)] = session
        return f"s{self._sessions:04d}"

    def close_session(self, session: Open) -> None:
        """Forget a session that ended."""
        self._open.pop(id(session), None)

    def cast(self, command: str | None, size: tuple[int, int] | None) -> Cast | None:
        """Begin the recording of a session, if recordings are kept."""
        if self._recordings is None:
            return None
        shown = None if command is None else clean(command)
        try:
            return Cast(self._recordings, self._host_name, shown, size=size, redaction=self._redaction)
        except OSError as error:
            log.warning("a session is not recorded: %s", error)
            return None

    def uploaded(self, path: str) -> None:
        """Take note of a file that came to the host."""
        self._reader.uploaded(path)

    def begin(self, command: str, kind: CommandKind = CommandKind.EXEC, session: str | None = None) -> int:
        """Note that *command* starts now; return its mark for :meth:`end`."""
        seen = Sighting(kind=kind, session=session, traits=self._reader.traits(command, kind))
        command = self._redaction.text(command)
        if len(command) > MAX_COMMAND:
            command = f"{command[:MAX_COMMAND]} … ({len(command)} characters)"
        mark = len(self._commands)
        self._begun[mark] = time.monotonic()
        self._commands.append(Command(command=clean(command), started_at=time.time(), host=self._host_name, seen=seen))
        self._on_change()
        return mark

    def end(
        self,
        mark: int,
        exit_status: int | None,
        *,
        bytes_in: int | None = None,
        bytes_out: int | None = None,
        files: Sequence[Transfer] = (),
    ) -> None:
        """Note that it ended."""
        begun = self._begun.pop(mark, None)
        if begun is None:
            return
        command = self._commands[mark]
        seen = command.seen and command.seen.model_copy(
            update={
                "bytes_in": bytes_in,
                "bytes_out": bytes_out,
                "files": tuple(
                    file.model_copy(update={"path": clean(self._redaction.text(file.path))}) for file in files
                ),
            }
        )
        duration = round(time.monotonic() - begun, 6)
        self._commands[mark] = command.model_copy(
            update={"exit_status": exit_status, "duration": duration, "seen": seen}
        )
        self._on_change()

    def note(self, command: str, kind: CommandKind, session: str | None = None) -> None:
        """Note a command of which neither end nor status can be seen."""
        mark = self.begin(command, kind, session)
        del self._begun[mark]

    def end_all(self) -> None:
        """Close what is still open: the connection is gone, the status unknown."""
        for session in list(self._open.values()):
            session.end(None)
        for mark in list(self._begun):
            self.end(mark, None)

    @property
    def commands(self) -> tuple[Command, ...]:
        """What was seen so far."""
        return tuple(self._commands)


def clean(text: str) -> str:
    """Return *text* fit for JSON and for databases: no lone surrogates, no NUL."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "�")
