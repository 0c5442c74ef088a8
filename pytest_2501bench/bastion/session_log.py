"""What one SSH session (exec, shell or subsystem) leaves in the command log, and in its recording."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from functools import partial

from pytest_2501bench.bastion.command_log import CommandLog
from pytest_2501bench.bastion.prompts import PromptWatch
from pytest_2501bench.bastion.scp_log import ScpLog, is_scp
from pytest_2501bench.bastion.sftp_log import SftpLog
from pytest_2501bench.bastion.typed_lines import TypedLines, reads_commands
from pytest_2501bench.evidence.model import CommandKind, Transfer


class SessionLog:
    """Listens to both directions of one session, and writes to the host's log.

    *size*: columns and rows of its terminal, None if it has none.
    """

    def __init__(
        self, log: CommandLog, command: str | None, subsystem: str | None, size: tuple[int, int] | None = None
    ) -> None:
        self._log = log
        self._mark: int | None = None
        self._in = self._out = 0
        self._ended = False
        self._typed: TypedLines | None = None
        self._prompts = PromptWatch()
        self._files: SftpLog | ScpLog | None = None
        self._cast = None if subsystem is not None or is_scp(command) else log.cast(command, size)
        own_name = log.open_session(self)
        self._session = self._cast.session if self._cast else own_name
        if subsystem == "sftp":
            self._files = SftpLog(partial(log.begin, kind=CommandKind.SFTP, session=self._session), self._moved)
        elif subsystem is not None:
            self._mark = log.begin(f"subsystem {subsystem}", CommandKind.SUBSYSTEM, self._session)
        elif command is not None and is_scp(command):
            self._files = ScpLog(command)
            self._mark = log.begin(command, CommandKind.SCP, self._session)
        elif command is not None:
            self._mark = log.begin(command, CommandKind.EXEC, self._session)
        if subsystem is None and reads_commands(command):
            kind = CommandKind.SCRIPT_LINE if size is None else CommandKind.SHELL_LINE
            self._typed = TypedLines(partial(log.note, kind=kind, session=self._session))

    def client(self, data: bytes) -> None:
        """Take what goes to the host."""
        self._in += len(data)
        if self._typed is not None:
            # Only here: the input of other programs is their own business, and may be anything.
            shown = self._prompts.client(data)
            self._typed.feed(shown)
            if self._cast is not None:
                self._cast.input(shown)
        elif self._files is not None:
            self._files.client(data)

    def server(self, data: bytes, *, stderr: bool = False) -> None:
        """Take what the host's program says."""
        self._out += len(data)
        if self._typed is not None:
            self._prompts.server(data)
        if self._cast is not None:
            self._cast.output(data, stderr=stderr)
        elif self._files is not None and not stderr:
            self._files.server(data)

    def resized(self, width: int, height: int) -> None:
        """Take the terminal's new size."""
        if self._cast is not None:
            self._cast.resize(width, height)

    def end(self, exit_status: int | None) -> None:
        """Take the session's end; harmless when repeated."""
        if self._ended:
            return
        self._ended = True
        self._log.close_session(self)
        if self._typed is not None:
            self._typed.end()
        if isinstance(self._files, SftpLog):
            self._files.end()
        if self._cast is not None:
            self._cast.end(exit_status, self._in, self._out)
        if self._mark is not None:
            files: Sequence[Transfer] = self._files.files if isinstance(self._files, ScpLog) else ()
            for file in files:
                if file.to_host:
                    self._log.uploaded(file.path)
            self._log.end(self._mark, exit_status, bytes_in=self._in, bytes_out=self._out, files=files)

    def _moved(self, mark: int, status: int | None, file: Transfer | None) -> None:
        if file is None:
            self._log.end(mark, status)
            return
        if file.to_host:
            self._log.uploaded(file.path)
        size = file.bytes or 0
        self._log.end(
            mark,
            status,
            bytes_in=size if file.to_host else 0,
            bytes_out=0 if file.to_host else size,
            files=(file,) if status == 0 or size else (),
        )


def status_of_signal(name: str) -> int | None:
    """Return what a shell would give as the status of a program that ended by signal *name* (``KILL`` → 137)."""
    try:
        return 128 + signal.Signals[f"SIG{name}"].value
    except KeyError:
        return None
