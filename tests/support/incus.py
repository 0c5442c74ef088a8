"""An Incus daemon for tests: the one that runs, or one that is set up for them and ended with the session."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from support.benchmark import ROOT

from pytest_2501bench.sandbox.incus import IncusProvider
from pytest_2501bench.sandbox.protocol import HostSpec

SCRIPT = ROOT / ".ci" / "incus"
STARTED = Path("/run/lock/2501bench-incus-tests")
"""Locked by every session that uses the daemon; has content if a session has started it."""

_STATE = pytest.StashKey[Path]()


def run_script(verb: str) -> None:
    """Call what `make incus` calls; a failure fails the test with its words."""
    done = subprocess.run([SCRIPT, verb], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{SCRIPT} {verb}: {done.stdout}{done.stderr}", pytrace=False)


def _begin(state: Path) -> IO[str]:
    STARTED.parent.mkdir(exist_ok=True)
    lock = STARTED.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else another session has it running
        if IncusProvider(state_dir=state).preflight():
            lock.write("started\n")
            lock.flush()
            run_script("up")
    except BlockingIOError:
        pass
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _finish(state: Path, lock: IO[str]) -> None:
    IncusProvider(state_dir=state).remove_everything(living=True)
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else another session needs it still
        except BlockingIOError:
            return
        if os.fstat(lock.fileno()).st_size:
            run_script("end")
        lock.truncate(0)


@pytest.fixture(scope="session")
def incus_state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the session's ledger is, when the daemon answers and its template is built.

    Every module that imports this fixture has its own, hence the stash: all share one daemon.
    """
    config = request.config
    if _STATE not in config.stash:
        state = tmp_path_factory.mktemp("incus")
        lock = _begin(state)
        config.add_cleanup(lambda: _finish(state, lock))
        IncusProvider(state_dir=state).prepare_images([HostSpec("web-01")], print)
        config.stash[_STATE] = state
    return config.stash[_STATE]


@pytest.fixture
def incus(incus_state: Path) -> Iterator[IncusProvider]:
    """Return a provider; what a test leaves behind is removed after it, templates excepted."""
    provider = IncusProvider(state_dir=incus_state)
    before = {owned.name for owned in provider.list_owned()}
    yield provider
    for owned in provider.list_owned():
        if owned.name not in before and (sandbox := provider.find(owned.name)) is not None:
            provider.destroy(sandbox)
