"""Runs the engine: in the foreground for people, or managed by the process that started it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from pytest_2501bench.agents.protocol import Agent
from pytest_2501bench.agents.registry import make_agent
from pytest_2501bench.engine import lifeline
from pytest_2501bench.engine.app import BASE, create_app
from pytest_2501bench.engine.desk import Desk
from pytest_2501bench.engine.orchestrator import DEADLINE_GRACE, Orchestrator
from pytest_2501bench.engine.premises import Premises, premises, temporary_files
from pytest_2501bench.engine.state import NotDurableError
from pytest_2501bench.errors import BenchError, Cause

log = logging.getLogger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SETTLE_SECONDS = 5.0
"""Seconds that an engine which ends leaves its database to take the last changes."""

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
    state_directory: Path | None = None,
    database_url: str | None = None,
    parallel: bool = False,
    intake: Mapping[str, Any] | None = None,
) -> None:
    """Run an engine in the foreground until SIGINT or SIGTERM.

    Its state is gone with it unless there is a *state_directory*; then it is in a SQLite file there, or in the
    database of *database_url* (PostgreSQL or SQLite). *intake*: the ServiceNow instance that it takes tickets from too.

    Raises:
        BenchError: ``option_invalid``: no such agent, an empty key, an address that cannot be bound, or a state
            directory in use; ``database_unreachable``.
    """
    if not key:
        raise BenchError(Cause.OPTION_INVALID, "ENGINE_API_KEY: is not set.", remedy="Set it to a long random string.")
    worker = make_agent(agent, agent_command)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    with premises(state_directory, database_url) as place, temporary_files():
        listener = bind(host, port)
        url = f"http://{host}:{listener.getsockname()[1]}"
        asyncio.run(
            run(
                listener,
                key,
                worker,
                place,
                same_machine=host in LOOPBACK,
                log_directory=log_directory,
                on_ready=lambda: log.info("engine with agent %s on %s%s", worker.name, url, BASE),
                parallel=parallel,
                intake=intake,
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

    with contextlib.ExitStack() as stack:
        try:
            worker = make_agent(settings["agent"], settings["agent_command"])
            place = stack.enter_context(premises(Path(settings["state_directory"]), settings["database_url"]))
            listener = bind("127.0.0.1", settings["port"])
        except BenchError as error:
            answer(error=str(error))
            raise SystemExit(2) from None
        asyncio.run(
            run(
                listener,
                settings["key"],
                worker,
                place,
                same_machine=True,
                log_directory=Path(settings["log_directory"]),
                on_ready=lambda: answer(port=listener.getsockname()[1], pid=os.getpid()),
                parents=(settings["parent"], os.getppid()),
                deadline_grace=settings["deadline_grace"],
                parallel=settings["parallel"],
                forget_with_parents=settings["temporary"],
                intake=settings.get("intake"),
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
    place: Premises,
    *,
    same_machine: bool,
    log_directory: Path | None,
    on_ready: Callable[[], None],
    parents: Sequence[int] = (),
    deadline_grace: float = DEADLINE_GRACE,
    parallel: bool = False,
    forget_with_parents: bool = False,
    intake: Mapping[str, Any] | None = None,
) -> None:
    """Serve on *listener* until a signal comes or, if *parents* are given, until one of them is gone.

    With *forget_with_parents* the state in *place* ends in the latter case. *intake*: the ServiceNow instance that
    tickets are taken from too.
    """
    loop = asyncio.get_running_loop()
    repository = place.repository
    orchestrator = Orchestrator(
        repository, agent, log_directory or place.directory, deadline_grace=deadline_grace, parallel=parallel
    )
    desk = Desk(repository, orchestrator, place.directory, same_machine)
    desk.sweep()
    taking = None
    if intake is not None:
        from pytest_2501bench.engine.intake import intake_of

        taking = intake_of(intake, f"http://127.0.0.1:{listener.getsockname()[1]}", key, place.directory)
    server = _Server(
        uvicorn.Config(
            create_app(desk, key, taking),
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
        place.temporary = place.temporary or forget_with_parents
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(setattr, server, "should_exit", True)

    if parents:
        lifeline.watch(0, parents, stop)
    warm_up = loop.run_in_executor(None, agent.warm_up)
    orchestrator.recover()
    try:
        if taking is not None:
            taking.start()
        await server.serve(sockets=[listener])
    finally:
        if taking is not None:
            await loop.run_in_executor(None, taking.stop)
        await orchestrator.close()
        with contextlib.suppress(Exception):
            await warm_up
        agent.close()
        with contextlib.suppress(NotDurableError):
            await repository.settle(SETTLE_SECONDS)


def _read_line(fd: int) -> bytes:
    """Read one line without taking more from the pipe, whose end is the signal to stop."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            raise SystemExit(1)
        line += byte
    return line
