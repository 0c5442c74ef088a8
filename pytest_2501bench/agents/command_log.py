"""The commands seen on one host, in the order of their start."""

from __future__ import annotations

import time
from collections.abc import Callable

from pytest_2501bench.evidence.model import Command

MAX_COMMAND = 262_144
"""Characters kept of one command line: heredocs count, file contents sent through them are cut."""


class CommandLog:
    """Grows while an agent works; *on_change* is called after each change."""

    def __init__(self, host_name: str, on_change: Callable[[], None]) -> None:
        self._host_name = host_name
        self._on_change = on_change
        self._commands: list[Command] = []
        self._begun: dict[int, float] = {}

    def begin(self, command: str) -> int:
        """Note that *command* starts now; return its mark for :meth:`end`."""
        if len(command) > MAX_COMMAND:
            command = f"{command[:MAX_COMMAND]} … ({len(command)} characters)"
        mark = len(self._commands)
        self._begun[mark] = time.monotonic()
        self._commands.append(Command(command=clean(command), started_at=time.time(), host=self._host_name))
        self._on_change()
        return mark

    def end(self, mark: int, exit_status: int | None) -> None:
        """Note that it ended."""
        begun = self._begun.pop(mark, None)
        if begun is None:
            return
        duration = round(time.monotonic() - begun, 6)
        self._commands[mark] = self._commands[mark].model_copy(
            update={"exit_status": exit_status, "duration": duration}
        )
        self._on_change()

    def note(self, command: str) -> None:
        """Note a command of which neither end nor status can be seen."""
        mark = self.begin(command)
        del self._begun[mark]

    def end_all(self) -> None:
        """Close what is still open: the connection is gone, the status unknown."""
        for mark in list(self._begun):
            self.end(mark, None)

    @property
    def commands(self) -> tuple[Command, ...]:
        """What was seen so far."""
        return tuple(self._commands)


def clean(text: str) -> str:
    """Return *text* fit for JSON and for databases: no lone surrogates, no NUL."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "�")
