"""Passes one SSH session on to the real host, byte for byte, while a :class:`SessionLog` listens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncssh

from pytest_2501bench.bastion.command_log import CommandLog
from pytest_2501bench.bastion.session_log import SessionLog, status_of_signal

log = logging.getLogger(__name__)

STDERR = asyncssh.EXTENDED_DATA_STDERR
EOF_DELAY = 0.5
"""Seconds that an exit status may come after the end of the output."""
NOT_REACHED = 255
"""The status that ssh itself gives when it cannot connect."""


class FromAgent(asyncssh.SSHServerSession[bytes]):
    """The agent's end of a session; it opens the host's end when it knows what is wanted."""

    def __init__(self, host: Callable[[], Awaitable[asyncssh.SSHClientConnection]], commands: CommandLog) -> None:
        self._host = host
        self._commands = commands
        self._peer: ToHost | None = None
        self._opening: asyncio.Task[None] | None = None
        self._terminal: dict[str, Any] = {}
        self._size: tuple[int, int] | None = None
        self._command: str | None = None
        self._subsystem: str | None = None
        self._chan: asyncssh.SSHServerChannel[bytes] | None = None
        self._early: list[bytes] = []
        self._early_eof = False

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._chan = chan

    def pty_requested(
        self, term_type: str | None, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        """Ask for the same terminal on the host."""
        self._size = term_size[:2]
        self._terminal = {
            "request_pty": "force",
            "term_type": term_type or "",
            "term_size": term_size,
            "term_modes": dict(term_modes),
        }
        return True

    def shell_requested(self) -> bool:
        """Take a login shell."""
        return True

    def exec_requested(self, command: str) -> bool:
        """Take a command."""
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        """Take a subsystem."""
        self._subsystem = subsystem
        return True

    def session_started(self) -> None:
        """Open the host's end."""
        assert self._chan is not None
        self._opening = asyncio.create_task(self._open(self._chan))

    async def _open(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        # Not in session_started: asyncssh resumes reading right after it, so a first packet may come before the pause.
        chan.pause_reading()
        try:
            connection = await self._host()
            await connection.create_session(
                lambda: ToHost(self, chan),
                command=self._command,
                subsystem=self._subsystem,
                env=_environment(chan),
                encoding=None,
                **({"request_pty": False} | self._terminal),
            )
        except (OSError, asyncssh.Error) as error:
            log.warning("host not reached: %s", error)
            # The channel may have been closed meanwhile.
            with contextlib.suppress(OSError):
                chan.write(f"ssh: {_reason(error)}\r\n".encode(), STDERR)
                chan.exit(NOT_REACHED)

    def begin_log(self) -> SessionLog:
        """Return the log of this session: it has begun on the host."""
        return SessionLog(self._commands, self._command, self._subsystem, self._size)

    def opened(self, peer: ToHost) -> None:
        """Take the host's end, and let the agent's data flow."""
        self._peer = peer
        for data in self._early:
            peer.send(data)
        self._early.clear()
        if self._early_eof:
            peer.send_eof()
        if self._chan is not None:
            self._chan.resume_reading()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Pass on what the agent sends."""
        if self._peer is None:
            self._early.append(data)
        else:
            self._peer.send(data)

    def eof_received(self) -> bool:
        """Pass on that the agent sends no more; the other direction stays open."""
        if self._peer is None:
            self._early_eof = True
        else:
            self._peer.send_eof()
        return True

    def pause_writing(self) -> None:
        """Let the host wait: the agent takes no more."""
        if self._peer is not None:
            self._peer.chan.pause_reading()

    def resume_writing(self) -> None:
        """Let the host go on."""
        if self._peer is not None:
            self._peer.chan.resume_reading()

    def break_received(self, msec: int) -> bool:
        """Pass on a break."""
        if self._peer is not None:
            self._peer.chan.send_break(msec)
        return True

    def signal_received(self, signal: str) -> None:
        """Pass on a signal."""
        if self._peer is not None:
            self._peer.chan.send_signal(signal)

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Pass on the window's new size."""
        if self._peer is not None:
            self._peer.resize(width, height, pixwidth, pixheight)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the host's end too."""
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
        if self._peer is not None:
            self._peer.chan.close()


class ToHost(asyncssh.SSHClientSession[bytes]):
    """The host's end of a session."""

    chan: asyncssh.SSHClientChannel[bytes]

    def __init__(self, agent: FromAgent, agent_chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._agent = agent
        self._agent_chan = agent_chan
        self._log: SessionLog | None = None
        self._status: int | None = None
        self._signal: tuple[str, bool, str, str] | None = None
        self._eof: asyncio.TimerHandle | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Keep the channel."""
        self.chan = chan

    def session_started(self) -> None:
        """Begin the record: the host runs it now."""
        self._log = self._agent.begin_log()
        self._agent.opened(self)

    def send(self, data: bytes) -> None:
        """Send to the host."""
        if self._log is not None:
            self._log.client(data)
        # What comes after the host closed its end has nowhere to go.
        with contextlib.suppress(OSError):
            self.chan.write(data)

    def resize(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Give the host's terminal another size."""
        if self._log is not None:
            self._log.resized(width, height)
        self.chan.change_terminal_size(width, height, pixwidth, pixheight)

    def send_eof(self) -> None:
        """Tell the host that no more comes."""
        self.chan.write_eof()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Pass on what the host sends."""
        if self._log is not None:
            self._log.server(data, stderr=datatype is not None)
        with contextlib.suppress(OSError):
            self._agent_chan.write(data, datatype)

    def eof_received(self) -> bool:
        """Pass on that the host sends no more; the other direction stays open."""
        # Not at once: a client that shares its connection hangs up when both directions have ended, and would miss the
        # exit status that follows. A program that closes its output and goes on is rare, and loses this moment.
        self._eof = asyncio.get_running_loop().call_later(EOF_DELAY, self._agent_chan.write_eof)
        return True

    def pause_writing(self) -> None:
        """Let the agent wait: the host takes no more."""
        self._agent_chan.pause_reading()

    def resume_writing(self) -> None:
        """Let the agent go on."""
        self._agent_chan.resume_reading()

    def exit_status_received(self, status: int) -> None:
        """Keep the status until all output has passed."""
        self._status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """Keep the signal until all output has passed."""
        self._signal = (signal, core_dumped, msg, lang)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the agent's end in the same way."""
        if self._eof is not None:
            self._eof.cancel()
        if self._log is not None:
            self._log.end(status_of_signal(self._signal[0]) if self._signal else self._status)
        # No look at is_closing(): it is true after an EOF, which precedes almost every exit status.
        if self._signal is not None:
            self._agent_chan.exit_with_signal(*self._signal)
        elif self._status is not None:
            self._agent_chan.exit(self._status)
        else:
            self._agent_chan.close()


def _environment(chan: asyncssh.SSHServerChannel[bytes]) -> dict[bytes | str, bytes | str]:
    return {name: value for name, value in chan.get_environment_bytes().items()}  # noqa: C416 - the key's type widens


def _reason(error: OSError | asyncssh.Error) -> str:
    """Say why a host was not reached, without its real address."""
    if isinstance(error, asyncssh.Error):
        return error.reason
    return os.strerror(error.errno) if error.errno else type(error).__name__
