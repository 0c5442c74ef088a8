"""What one SSH session (exec, shell or subsystem) leaves in the command log."""

from __future__ import annotations

import signal

from pytest_2501bench.agents.command_log import CommandLog
from pytest_2501bench.agents.sftp_log import SftpLog
from pytest_2501bench.agents.typed_lines import TypedLines, reads_commands


class SessionLog:
    """Listens to both directions of one session, and writes to the host's log."""

    def __init__(self, log: CommandLog, command: str | None, subsystem: str | None) -> None:
        self._log = log
        self._mark: int | None = None
        self._sftp: SftpLog | None = None
        self._typed: TypedLines | None = None
        if subsystem == "sftp":
            self._sftp = SftpLog(log.begin, log.end)
        elif subsystem is not None:
            self._mark = log.begin(f"subsystem {subsystem}")
        elif command is not None:
            self._mark = log.begin(command)
        if subsystem is None and reads_commands(command):
            self._typed = TypedLines(log.note)

    def client(self, data: bytes) -> None:
        """Take what goes to the host."""
        if self._typed is not None:
            self._typed.feed(data)
        elif self._sftp is not None:
            self._sftp.client(data)

    def server(self, data: bytes) -> None:
        """Take what the host's standard output brings."""
        if self._sftp is not None:
            self._sftp.server(data)

    def end(self, exit_status: int | None) -> None:
        """Take the session's end."""
        if self._typed is not None:
            self._typed.end()
        if self._mark is not None:
            self._log.end(self._mark, exit_status)


def status_of_signal(name: str) -> int | None:
    """Return what a shell would give as the status of a program that ended by signal *name* (``KILL`` → 137)."""
    try:
        return 128 + signal.Signals[f"SIG{name}"].value
    except KeyError:
        return None
