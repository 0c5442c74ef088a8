"""The bastion of one pytest session, in a thread of its own: outside engines reach the hosts of each run through it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pytest_2501bench.bastion.door import Door
from pytest_2501bench.bastion.place import Place
from pytest_2501bench.bastion.recorder import Recorder
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import Command
from pytest_2501bench.gateway.protocol import HostRegistration
from pytest_2501bench.sandbox.protocol import Host, SshSettings
from pytest_2501bench.scratch import make_scratch

Result = TypeVar("Result")

_SECONDS = 30.0


class SessionBastion:
    """Starts with the first run that needs it; ends with the session, and with the process at the latest."""

    def __init__(self, place: Place) -> None:
        """Prepare to listen at *place*."""
        self.place = place
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._ways: set[GuardedWay] = set()

    def open(self, hosts: Sequence[HostRegistration], recordings: Mapping[str, Path]) -> GuardedWay:
        """Listen for the *hosts* of one run; their sessions are recorded into the folders *recordings* (by host_name).

        Raises:
            BenchError: ``option_invalid``: it cannot listen there.
        """
        real = [Host(host.host_id, host.host_name, host.ssh, python=host.python) for host in hosts]

        async def listen() -> Recorder:
            recorder = Recorder(real, recordings=recordings, address=self.place.address, ports=self.place.ports)
            return await recorder.__aenter__()

        try:
            recorder = self.call(listen())
        except OSError as error:
            raise BenchError(
                Cause.OPTION_INVALID,
                f"the bastion cannot listen at {self.place.address}: {_reason(error)}.",
                remedy="--bastion takes an address of this machine, and enough free ports: one per host.",
            ) from None
        way = GuardedWay(self, recorder, hosts)
        self._ways.add(way)
        return way

    def forget(self, way: GuardedWay) -> None:
        """Take note that *way* is closed."""
        self._ways.discard(way)

    def close(self) -> None:
        """Close all ways and end the thread; harmless when repeated."""
        for way in list(self._ways):
            with contextlib.suppress(TimeoutError):
                way.close()
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            with contextlib.suppress(TimeoutError):  # threads that looked a name up
                asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(_SECONDS)
            if not self._thread.is_alive():
                loop.close()

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run *coroutine* in the bastion's thread; return its result."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon: a session that is killed by a second Ctrl-C must not wait for it.
                self._thread = threading.Thread(target=self._loop.run_forever, name="bastion", daemon=True)
                self._thread.start()
            loop = self._loop
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(_SECONDS)


class GuardedWay:
    """The way to the hosts of one run."""

    def __init__(self, bastion: SessionBastion, recorder: Recorder, hosts: Sequence[HostRegistration]) -> None:
        self._bastion = bastion
        self._recorder = recorder
        self._folder = make_scratch("25b-")
        doors = {door.host_name: door for door in recorder.doors}
        self.hosts = tuple(self._registration(host, doors[host.host_name]) for host in hosts)
        self._closed = False

    def commands(self, host_name: str) -> tuple[Command, ...]:
        """Return what was seen on a host so far."""
        return self._recorder.commands(host_name)

    def visited(self, host_name: str) -> bool:
        """Say whether the engine ever came this way to a host."""
        return host_name in self._recorder.visited

    def close(self) -> None:
        """Cut all connections, and listen no more; what was seen stays readable. Harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._bastion.forget(self)
            try:
                self._bastion.call(self._recorder.close())
            finally:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _registration(self, host: HostRegistration, door: Door) -> HostRegistration:
        """Return the host as the engine shall know it: the bastion's address, port, host key and client key."""
        folder = self._folder / f"{door.port}"
        folder.mkdir(mode=0o700)
        key, known = folder / "key", folder / "known_hosts"
        key.touch(mode=0o600)
        key.write_text(self._recorder.client_key)
        public = " ".join(door.host_key.split()[:2])
        # By alias, and for clients that do not look it up under an alias by address and port too.
        known.write_text(f"{host.ssh.hostname},[{door.address}]:{door.port} {public}\n")
        ssh = SshSettings(
            user=door.user,
            identity_file=key,
            known_hosts=known,
            hostname=host.ssh.hostname,
            address=door.address,
            port=door.port,
        )
        return HostRegistration(host.host_id, host.host_name, ssh, host.python)


def _reason(error: OSError) -> str:
    """Return why in the system's own words: asyncio's repeat the address."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
