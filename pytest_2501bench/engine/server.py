"""Runs the engine: in the foreground for people, or managed by the process that started it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvicorn

from pytest_2501bench.agents.protocol import Agent
from pytest_2501bench.agents.registry import make_agent
from pytest_2501bench.engine import lifeline
from pytest_2501bench.engine.app import BASE, create_app
from pytest_2501bench.engine.desk import Desk
from pytest_2501bench.engine.orchestrator import DEADLINE_GRACE, Orchestrator
from pytest_2501bench.engine.state import MemoryRepository
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.scratch import make_scratch

log = logging.getLogger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
LAST_RESORT = 30.0
"""Seconds after which a managed engine whose parent is gone ends, whatever its agents do."""


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 2501,
    key: str,
    agent: str = "noop",
    agent_command: Sequence[str] | None = None,
    log_directory: Path | None = None,
) -> None:
    """Run an engine in the foreground until SIGINT or SIGTERM.

    Raises:
        BenchError: ``option_invalid``: no such agent, an empty key, or an address that cannot be bound.
    """
    if not key:
        raise BenchError(Cause.OPTION_INVALID, "ENGINE_API_KEY: is not set.", remedy="Set it to a long random string.")
    worker = make_agent(agent, agent_command)
    listener = bind(host, port)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    url = f"http://{host}:{listener.getsockname()[1]}"
    asyncio.run(
        run(
            listener,
            key,
            worker,
            same_machine=host in LOOPBACK,
            log_directory=log_directory,
            on_ready=lambda: log.info("engine with agent %s on %s%s", worker.name, url, BASE),
        )
    )


def serve_managed() -> None:
    """Run an engine for the process that started this one (see :mod:`.process`).

    On standard input comes one JSON line with the settings; its end of file means: stop. On standard output goes one
    JSON line when the engine is ready, or when it cannot start. The log is standard error.
    """
    settings = json.loads(_read_line(0))
    answers = os.fdopen(os.dup(1), "w")
    # What a library prints must not reach the pipe, which nobody reads any more.
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)

    def answer(**fields: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            answers.write(json.dumps(fields) + "\n")
            answers.close()

    try:
        worker = make_agent(settings["agent"], settings["agent_command"])
        listener = bind("127.0.0.1", 0)
    except BenchError as error:
        answer(error=str(error))
        raise SystemExit(2) from None
    asyncio.run(
        run(
            listener,
            settings["key"],
            worker,
            same_machine=True,
            log_directory=Path(settings["log_directory"]),
            on_ready=lambda: answer(port=listener.getsockname()[1], pid=os.getpid()),
            parents=(settings["parent"], os.getppid()),
            deadline_grace=settings["deadline_grace"],
        )
    )


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol left at 0, asyncio does not set TCP_NODELAY, and every answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise BenchError(Cause.OPTION_INVALID, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


class _Server(uvicorn.Server):
    """Tells when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM end the server, and only it.

        uvicorn's own way raises them again afterwards, in the middle of stopping the agents.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()


async def run(
    listener: socket.socket,
    key: str,
    agent: Agent,
    *,
    same_machine: bool,
    log_directory: Path | None,
    on_ready: Callable[[], None],
    parents: Sequence[int] = (),
    deadline_grace: float = DEADLINE_GRACE,
) -> None:
    """Serve on *listener* until a signal comes or, if *parents* are given, until one of them is gone."""
    loop = asyncio.get_running_loop()
    directory = make_scratch("2501-")
    repository = MemoryRepository()
    orchestrator = Orchestrator(repository, agent, log_directory or directory, deadline_grace=deadline_grace)
    app = create_app(Desk(repository, orchestrator, directory, same_machine), key)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http="h11",
            loop="asyncio",
            server_header=False,
            # Clients that wait for a job must not hold up the end.
            timeout_graceful_shutdown=1,
        ),
        on_ready,
    )

    def stop() -> None:
        lifeline.end_after(LAST_RESORT)
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(setattr, server, "should_exit", True)

    if parents:
        lifeline.watch(0, parents, stop)
    warm_up = loop.run_in_executor(None, agent.warm_up)
    try:
        await server.serve(sockets=[listener])
    finally:
        await orchestrator.close()
        with contextlib.suppress(Exception):
            await warm_up
        agent.close()
        shutil.rmtree(directory, ignore_errors=True)


def _read_line(fd: int) -> bytes:
    """Read one line without taking more from the pipe, whose end is the signal to stop."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            raise SystemExit(1)
        line += byte
    return line
