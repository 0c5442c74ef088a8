"""The model's hands: commands and files on the ticket's hosts, by SSH through the recorder and no other way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import cast

import asyncssh

from pytest_2501bench.bastion.door import Door

KEPT = 8_000
"""Bytes of each end of a stream that the model is shown; what is between them is left out."""

MAX_FILE = 64_000
"""Bytes of a file that the model is shown."""

FILE_SECONDS = 60.0


class OutOfReachError(Exception):
    """The host, or a file on it, could not be reached; the text is for the model."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended. *status* None: it was ended after its timeout, or the connection was lost."""

    status: int | None
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False

    def told(self) -> str:
        """Return it as the model reads it."""
        how = f"exit status {self.status}" if self.status is not None else "no exit status: the connection was lost"
        if self.timed_out:
            how = f"no exit status: ended after its timeout of {self.seconds:.0f} s; it may still run"
        parts = [f"{how} ({self.seconds:.1f} s)"]
        parts += [
            f"{name}:\n{text.rstrip()}" for name, text in (("stdout", self.stdout), ("stderr", self.stderr)) if text
        ]
        return "\n".join(parts)


class Hosts:
    """Connections to the recorder's doors, one per host, made when needed. Use as ``async with``."""

    def __init__(self, doors: Sequence[Door], client_key: str) -> None:
        self._doors = {door.host_name: door for door in doors}
        self._key = asyncssh.import_private_key(client_key)
        self._connections: dict[str, asyncssh.SSHClientConnection] = {}

    async def __aenter__(self) -> Hosts:
        """Nothing is connected yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Hang up."""
        for connection in self._connections.values():
            connection.abort()
        self._connections.clear()

    async def run(self, host: str, command: str, seconds: float) -> Ran:
        """Run *command*; after *seconds* it is ended.

        Raises:
            OutOfReachError: the host does not answer.
        """
        start = time.monotonic()
        try:
            connection = await self._connection(host)
            process = await connection.create_process(command, encoding=None, stdin=asyncssh.DEVNULL)
        except (OSError, asyncssh.Error) as error:
            raise OutOfReachError(f"{host} could not be reached: {error}") from None
        out, err = _Ends(), _Ends()
        timed_out = False
        reading = asyncio.gather(out.read(process.stdout), err.read(process.stderr))
        try:
            async with asyncio.timeout(seconds):
                await reading
                await process.wait_closed()
        except TimeoutError:
            timed_out = True
            with contextlib.suppress(OSError, asyncssh.Error):
                process.kill()
        except asyncssh.Error as error:
            raise OutOfReachError(f"the connection to {host} was lost: {error}") from None
        finally:
            reading.cancel()
            process.close()
        status = None if timed_out else process.returncode
        # 128 + n for a signal, as a shell says it.
        if status is not None and status < 0:
            status = 128 - status
        return Ran(status, out.text, err.text, time.monotonic() - start, timed_out)

    async def read(self, host: str, path: str) -> str:
        """Return a text file's content, cut where it is too long.

        Raises:
            OutOfReachError: there is no such file, or it cannot be read.
        """
        try:
            async with (
                asyncio.timeout(FILE_SECONDS),
                (await self._connection(host)).start_sftp_client() as sftp,
                sftp.open(path, "rb") as file,
            ):
                data = cast(bytes, await file.read(MAX_FILE + 1))
        except (OSError, asyncssh.Error) as error:
            raise OutOfReachError(f"{path} on {host} could not be read: {_reason(error)}") from None
        text = data[:MAX_FILE].decode("utf-8", "replace").replace("\x00", "�")
        return f"{text}\n… (only the first {MAX_FILE} bytes)" if len(data) > MAX_FILE else text

    async def write(self, host: str, path: str, content: str, mode: str | None) -> None:
        """Write a text file.

        Raises:
            OutOfReachError: it cannot be written.
        """
        try:
            async with asyncio.timeout(FILE_SECONDS), (await self._connection(host)).start_sftp_client() as sftp:
                async with sftp.open(path, "wb") as file:
                    await file.write(content.encode("utf-8", "replace"))
                if mode is not None:
                    await sftp.chmod(path, int(mode, 8))
        except (OSError, asyncssh.Error) as error:
            raise OutOfReachError(f"{path} on {host} could not be written: {_reason(error)}") from None

    async def _connection(self, host: str) -> asyncssh.SSHClientConnection:
        connection = self._connections.get(host)
        if connection is None or connection.is_closed():
            door = self._doors[host]
            key = " ".join(door.host_key.split()[:2])
            connection = self._connections[host] = await asyncssh.connect(
                door.address,
                door.port,
                username=door.user,
                client_keys=[self._key],
                known_hosts=asyncssh.import_known_hosts(f"[{door.address}]:{door.port} {key}\n"),
                config=None,
                agent_path=None,
                gss_host=None,
                login_timeout=30,
            )
        return connection


class _Ends:
    """The beginning and the end of a stream, however long it is."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._size = 0

    async def read(self, stream: asyncssh.SSHReader[bytes]) -> None:
        """Read to the end."""
        while data := await stream.read(65_536):
            self._size += len(data)
            room = KEPT - len(self._head)
            self._head += data[:room]
            self._tail = (self._tail + data[max(room, 0) :])[-KEPT:]

    @property
    def text(self) -> str:
        """What is shown."""
        left_out = self._size - len(self._head) - len(self._tail)
        between = f"\n… ({left_out} bytes left out) …\n".encode() if left_out else b""
        return (self._head + between + self._tail).decode("utf-8", "replace").replace("\x00", "�")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {FILE_SECONDS:g} s"
    return getattr(error, "reason", "") or str(error) or type(error).__name__
