"""Fixtures of the bastion's tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.recorded_ssh import Way, assignment
from support.sshd import Sshd, running_sshd

from pytest_2501bench.agents import desk
from pytest_2501bench.bastion.recorder import Recorder


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def loop_thread() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """An event loop in a thread, as the engine's would be while an agent's program runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(90)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def way(sshd: Sshd, tmp_path: Path, loop_thread: Callable[[Coroutine[Any, Any, Any]], Any]) -> Iterator[Way]:
    """A recorder before :func:`sshd`, with an agent's working directory."""
    changes: list[str] = []

    async def make() -> Recorder:
        return Recorder(
            [sshd.host()],
            changes.append,
            recordings={"web-01": tmp_path / "casts"},
            secrets={"MY_KEY": "sk-canary-123"},
        )

    recorder = loop_thread(make())
    loop_thread(recorder.__aenter__())
    # Not under tmp_path: sockets of SSH clients need a short one.
    with desk.working_directory() as directory:
        desk.furnish(directory, assignment([sshd.host()], tmp_path), recorder.doors, recorder.client_key)
        yield Way(directory, recorder, "web-01", loop_thread, changes)
        loop_thread(recorder.close())
