"""The engine's state directory: whose it is, and that no agent of a dead engine works on when the next one begins.

In it are the hosts' keys (0600) and, unless another database is named, the file with everything else.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pytest_2501bench.agents import supervised
from pytest_2501bench.engine.database import DatabaseRepository
from pytest_2501bench.engine.location import engine_name, target_of
from pytest_2501bench.engine.memory import MemoryRepository
from pytest_2501bench.engine.state import Repository
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.playbooks.control import sweep
from pytest_2501bench.scratch import make_scratch

ENGINE_PATIENCE = 3.0
"""Seconds to wait for another engine in the same directory to end."""

AGENTS_PATIENCE = 30.0
"""Seconds to wait for the agents of a dead engine to be ended by their keepers."""


@dataclass(slots=True)
class Premises:
    """Where an engine lives. *temporary*: its state ends with it."""

    directory: Path
    repository: Repository
    temporary: bool = field(default=False)


@contextlib.contextmanager
def premises(directory: Path | None, database_url: str | None = None) -> Iterator[Premises]:
    """Take possession of *directory* (None: a temporary one, with nothing in a database).

    Raises:
        BenchError: ``option_invalid``: another engine is in it, or a database without a directory;
            ``database_unreachable``.
    """
    if directory is None:
        if database_url:
            raise BenchError(Cause.OPTION_INVALID, "the engine's database needs a --state-dir, for the hosts' keys.")
        scratch = make_scratch("2501-")
        try:
            yield Premises(scratch, MemoryRepository(), temporary=True)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return
    with contextlib.ExitStack() as stack:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
            engine = stack.enter_context((directory / "engine.lock").open("ab"))
            agents = stack.enter_context((directory / "agents.lock").open("ab"))
        except OSError as error:
            raise BenchError(Cause.OPTION_INVALID, f"--state-dir {directory}: {error.strerror}.") from error
        _lock(engine, ENGINE_PATIENCE, f"--state-dir {directory}: another engine works there.")
        _lock(agents, AGENTS_PATIENCE, f"--state-dir {directory}: an agent of an engine that died does not end.")
        supervised.WITNESSES.add(agents.fileno())
        stack.callback(supervised.WITNESSES.discard, agents.fileno())
        target = target_of(database_url, directory)
        repository = DatabaseRepository(target, engine_name(directory), directory)
        stack.callback(repository.close)
        place = Premises(directory, repository)
        yield place
        if place.temporary:
            if target.postgresql:
                repository.erase()
            repository.close()
            shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """Give this process a folder for temporary files that goes with it; remove those of processes that were killed.

    In it are the working directories of agents, with a key in each.
    """
    sweep()
    scratch = make_scratch("2501-")
    before, tempfile.tempdir = tempfile.tempdir, str(scratch)
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(scratch, ignore_errors=True)


def _lock(file: BinaryIO, patience: float, otherwise: str) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise BenchError(Cause.OPTION_INVALID, otherwise) from None
            time.sleep(0.05)
        else:
            return
