"""An SSH server between an agent and its hosts: what passes is passed on, and every command is recorded.

The agent gets an ssh_config that leads here, with a key that is good for nothing else. It never sees the real
credentials. One listener per host, on a loopback port: whatever user name a client asks for, it cannot end on another
host.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

import asyncssh

from pytest_2501bench.bastion.command_log import CommandLog
from pytest_2501bench.bastion.door import LOOPBACK, Door
from pytest_2501bench.bastion.reach import Reach
from pytest_2501bench.bastion.redaction import Redaction
from pytest_2501bench.bastion.relay import FromAgent
from pytest_2501bench.bastion.shelf import note_unreached
from pytest_2501bench.bastion.upstream import connect
from pytest_2501bench.evidence.model import Command
from pytest_2501bench.sandbox.protocol import Host

__all__ = ["LOOPBACK", "Door", "Recorder", "warm_up"]

Result = TypeVar("Result")

CLOSE_SECONDS: Final = 5.0
"""How long connections may take to end; one that needs a proxy's program ends with it."""


class Recorder:
    """Records one assignment's SSH traffic. Use as ``async with``; after it no connection is left."""

    def __init__(
        self,
        hosts: Sequence[Host],
        on_change: Callable[[str], None] = lambda _host_name: None,
        *,
        recordings: Mapping[str, Path] | None = None,
        secrets: Mapping[str, str] | None = None,
        address: str = LOOPBACK,
        ports: Sequence[int] = (0,),
    ) -> None:
        """Prepare for *hosts*.

        Args:
            hosts: the real ones.
            on_change: called with a host_name whenever the host's commands change.
            recordings: by host_name, the folder for replayable recordings of its sessions; made when it is needed.
            secrets: name → value; a value is written down as ``[name]``.
            address: where to listen.
            ports: the first free one of them is taken for each host; 0 is any.
        """
        redaction = Redaction(secrets)
        self._hosts = {h.host_name: h for h in hosts}
        self._logs = {
            name: CommandLog(
                name, partial(on_change, name), recordings=(recordings or {}).get(name), redaction=redaction
            )
            for name in self._hosts
        }
        self._recordings = dict(recordings or {})
        self._reach = Reach(self._unreached)
        self._address = address
        self._ports = tuple(ports)
        self._listeners: list[asyncssh.SSHAcceptor] = []
        self._connections: set[_FrontDoor] = set()
        self._ways_on: set[asyncio.Task[Any]] = set()
        self._client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.doors: tuple[Door, ...] = ()
        self.visited: set[str] = set()
        """Hosts to which a client came with the right key."""

    @property
    def client_key(self) -> str:
        """The agent's private key, in OpenSSH form."""
        return self._client_key.export_private_key("openssh").decode()

    def commands(self, host_name: str) -> tuple[Command, ...]:
        """Return the commands seen on a host so far, in the order of their start."""
        return self._logs[host_name].commands

    async def __aenter__(self) -> Recorder:
        """Listen.

        Raises:
            OSError: none of the ports can be had at that address.
        """
        try:
            self.doors = tuple([await self._listen(host) for host in self._hosts.values()])
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Cut all connections; commands that still run keep an unknown status. Harmless when repeated."""
        for listener in self._listeners:
            listener.close()
        await self._reach.settle()
        for connection in tuple(self._connections):
            connection.abort()
        for log in self._logs.values():
            log.end_all()
        # What is aborted ends in the loop's next turns, a connection to a host that is only just made in some more.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._connections or self._ways_on:
                    await asyncio.wait(self._ways_on or {asyncio.create_task(asyncio.sleep(0))})

    async def _listen(self, host: Host) -> Door:
        key = asyncssh.generate_private_key("ssh-ed25519")
        for last, port in zip((*(False for _ in self._ports[1:]), True), self._ports, strict=True):
            try:
                listener = await asyncssh.listen(
                    self._address,
                    port,
                    config=None,
                    server_factory=lambda: _FrontDoor(
                        host,
                        self._client_key.convert_to_public(),
                        self._logs[host.host_name],
                        register=self._connections,
                        ways_on=self._ways_on,
                        visited=self.visited,
                        reach=self._reach,
                    ),
                    server_host_keys=[key],
                    encoding=None,
                    line_editor=False,
                    agent_forwarding=False,
                    x11_forwarding=False,
                    allow_scp=False,
                    gss_host=None,
                    compression_algs=None,
                    login_timeout=30,
                    server_version="2501",
                )
                break
            except OSError:
                if last:
                    raise
        self._listeners.append(listener)
        public = key.export_public_key("openssh").decode().strip()
        return Door(host.host_name, host.ssh.user, listener.get_port(), public, self._address)

    def _unreached(self, host_name: str) -> None:
        if host_name in self._recordings:
            note_unreached(self._recordings[host_name])


class _FrontDoor(asyncssh.SSHServer):
    """One connection of the agent, with its own connection to the host: a real one would not be shared either."""

    def __init__(
        self,
        host: Host,
        client_key: asyncssh.SSHKey,
        log: CommandLog,
        *,
        register: set[_FrontDoor],
        ways_on: set[asyncio.Task[Any]],
        visited: set[str],
        reach: Reach,
    ) -> None:
        self._host = host
        self._client_key = client_key
        self._log = log
        self._register = register
        self._ways_on = ways_on
        self._visited = visited
        self._reach = reach
        self._connection: asyncssh.SSHServerConnection | None = None
        self._upstream: asyncio.Task[asyncssh.SSHClientConnection] | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep the connection."""
        self._connection = conn
        self._register.add(self)

    def begin_auth(self, username: str) -> bool:
        """Demand authentication."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Offer keys, and nothing else."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Let in the agent's key, as the one user that the host's registration names."""
        return username == self._host.ssh.user and key == self._client_key

    def auth_completed(self) -> None:
        """Connect to the host while the client still asks for its session."""
        self._visited.add(self._host.host_name)
        self._upstream = self._kept(asyncio.create_task(connect(self._host.ssh, self._host.host_name)))
        # Its failure is told to each session; a connection without sessions must not warn about it.
        self._upstream.add_done_callback(self._reached)

    def _reached(self, task: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
        if task.cancelled():
            return
        if task.exception() is not None:
            self._reach.refused(self._host)
        else:
            if self not in self._register:  # made although it was cancelled: both came at the same time
                task.result().abort()
            self._kept(asyncio.create_task(self._see_lost(task.result())))

    def _kept(self, task: asyncio.Task[Result]) -> asyncio.Task[Result]:
        """Have *task* waited for when the recorder closes."""
        self._ways_on.add(task)
        task.add_done_callback(self._ways_on.discard)
        return task

    async def _see_lost(self, connection: asyncssh.SSHClientConnection) -> None:
        await connection.wait_closed()
        if self in self._register:  # else the agent hung up, and we did then
            self._reach.hung_up(self._host)

    def session_requested(self) -> FromAgent:
        """Relay a session. Port, agent and X11 forwarding are refused by default."""
        return FromAgent(self._connected, self._log)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the host too."""
        self._register.discard(self)
        if self._upstream is not None:
            self._upstream.cancel()
            if self._upstream.done() and not self._upstream.cancelled() and self._upstream.exception() is None:
                self._upstream.result().abort()

    def abort(self) -> None:
        """Cut the connection."""
        if self._connection is not None:
            self._connection.abort()

    async def _connected(self) -> asyncssh.SSHClientConnection:
        assert self._upstream is not None
        # Shielded: one session's end must not cut the connection off from the others.
        return await asyncio.shield(self._upstream)


def warm_up() -> None:
    """Generate one key, so that the cryptography is loaded before the first assignment."""
    with contextlib.suppress(asyncssh.Error):
        asyncssh.generate_private_key("ssh-ed25519")
