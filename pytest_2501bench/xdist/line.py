"""The line between xdist's workers and their controller: a socket in a private folder, JSON both ways.

xdist has channels of its own, but only for its own events. A worker says what its run is at; the controller says once
where the engine is. The end of a connection is news as well: the worker has ended, however.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_2501bench.engine.process import Endpoint
from pytest_2501bench.errors import Phase
from pytest_2501bench.scratch import make_scratch

_SOCKET = "line"
_WAIT_SECONDS = 60.0


@dataclass
class Caller:
    """A worker, as the controller knows it from its line."""

    worker: str
    pid: int
    busy: bool = False  # a run is in hand
    ticket: str | None = None  # that an agent may be working on


@dataclass(frozen=True)
class Listeners:
    """Whom the controller tells; called in the line's thread, must be quick."""

    phase: Callable[[str, str, str], None]  # worker, run, phase
    detail: Callable[[str, str], None]  # worker, what it is at
    done: Callable[[str], None]  # worker


@dataclass
class _Connection:
    socket: socket.socket
    caller: Caller | None = None
    rest: bytes = field(default=b"", repr=False)


class Desk:
    """The controller's end."""

    def __init__(self, listeners: Listeners) -> None:
        """Make the private folder and listen in it."""
        self._listeners = listeners
        self.folder = make_scratch("2501-")
        self._socket = socket.socket(socket.AF_UNIX)
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._connections: list[_Connection] = []
        self._tickets: dict[str, str] = {}  # worker → ticket, also after its end
        self._engine: bytes | None = None
        self._closed = False
        try:
            self._socket.bind(str(self.folder / _SOCKET))
            self._socket.listen(128)
        except OSError:  # the path is too long for a socket: workers show nothing, and have engines of their own
            self._closed = True
        else:
            threading.Thread(target=self._accept, name="2501bench line", daemon=True).start()

    def tell_engine(self, endpoint: Endpoint | None) -> None:
        """Tell all workers, also those that call later, where the engine is; None: theirs is none of ours."""
        told = {"url": endpoint.url, "key": endpoint.key} if endpoint is not None else None
        with self._lock:
            self._engine = json.dumps({"engine": told}).encode() + b"\n"
            for connection in self._connections:
                self._send(connection)

    def busy(self) -> list[Caller]:
        """Return the workers with a run in hand."""
        with self._lock:
            return [each.caller for each in self._connections if each.caller is not None and each.caller.busy]

    def take_ticket(self, worker: str) -> str | None:
        """Return the ticket that *worker* was waiting for, once."""
        with self._lock:
            return self._tickets.pop(worker, None)

    def wait_ended(self, workers: set[str], seconds: float) -> bool:
        """Wait until none of *workers* is connected any more; return whether that came within *seconds*."""

        def gone() -> bool:
            return not any(each.caller and each.caller.worker in workers for each in self._connections)

        with self._ended:
            return self._ended.wait_for(gone, seconds)

    def close(self) -> None:
        """Stop listening and remove the folder; harmless when repeated."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_RDWR)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self) -> None:
        while not self._closed:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            connection = _Connection(accepted)
            with self._lock:
                self._connections.append(connection)
                self._send(connection)
            threading.Thread(target=self._hear, args=(connection,), name="2501bench worker", daemon=True).start()

    def _send(self, connection: _Connection) -> None:
        if self._engine is not None:
            with contextlib.suppress(OSError):
                connection.socket.sendall(self._engine)

    def _hear(self, connection: _Connection) -> None:
        with connection.socket as stream, stream.makefile("rb") as lines, contextlib.suppress(OSError):
            for line in lines:
                with contextlib.suppress(ValueError, KeyError, TypeError):  # half a line of a worker that died
                    self._take(connection, json.loads(line))
        caller = connection.caller
        if caller is not None and caller.busy:
            self._listeners.done(caller.worker)
        with self._ended:
            self._connections.remove(connection)
            self._ended.notify_all()

    def _take(self, connection: _Connection, said: dict[str, Any]) -> None:
        if connection.caller is None:
            connection.caller = Caller(said["worker"], said["pid"])
            return
        caller = connection.caller
        match said["do"]:
            case "phase":
                caller.busy = True
                if said["phase"] == Phase.VALIDATE:  # no agent is at work any more
                    self.take_ticket(caller.worker)
                self._listeners.phase(caller.worker, said["run"], said["phase"])
            case "detail":
                self._listeners.detail(caller.worker, said["line"])
            case "ticket":
                with self._lock:
                    self._tickets[caller.worker] = said["ticket"]
            case "done":
                caller.busy = False
                self.take_ticket(caller.worker)
                self._listeners.done(caller.worker)


class WorkerLine:
    """A worker's end. Nothing that goes wrong with it disturbs a run."""

    def __init__(self, folder: Path, worker: str, on_end: Callable[[], object]) -> None:
        """Call the controller; *on_end* is called, in another thread, when it is gone before :meth:`close`."""
        self._on_end = on_end
        self._told = threading.Event()
        self._endpoint: Endpoint | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(folder / _SOCKET))
        except OSError:
            self._closed = True
            self._told.set()
            self._socket.close()
        else:
            self._say({"worker": worker, "pid": os.getpid()})
            threading.Thread(target=self._hear, name="2501bench line", daemon=True).start()

    def engine(self, seconds: float = _WAIT_SECONDS) -> Endpoint | None:
        """Return the engine that the controller runs for all; None when there is none, or no answer."""
        self._told.wait(seconds)
        return self._endpoint

    def phase(self, run: str, phase: str) -> None:
        """Say that *phase* of *run* starts."""
        self._say({"do": "phase", "run": run, "phase": phase})

    def detail(self, line: str) -> None:
        """Say what the phase is at."""
        self._say({"do": "detail", "line": line})

    def ticket(self, reference: str) -> None:
        """Say which ticket is being worked: if this process dies, somebody must stop the agent."""
        self._say({"do": "ticket", "ticket": reference})

    def done(self) -> None:
        """Say that the run is over."""
        self._say({"do": "done"})

    def close(self) -> None:
        """Hang up; harmless when repeated."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _say(self, what: dict[str, Any]) -> None:
        if self._closed:
            return
        with self._lock, contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(what).encode() + b"\n")

    def _hear(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._socket.makefile("rb") as lines:
            for line in lines:
                engine = json.loads(line)["engine"]
                if engine is not None:
                    self._endpoint = Endpoint(engine["url"], engine["key"])
                self._told.set()
        self._told.set()
        if not self._closed:
            self._on_end()
