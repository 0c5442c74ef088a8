"""An engine that dies in the middle of a session is started again, at the same address and with the same key."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import httpx

from pytest_2501bench.engine.process import LocalEngine
from pytest_2501bench.engine.revival import Revival


def healthy(url: str, key: str) -> bool:
    try:
        return httpx.get(f"{url}/openapi.json", headers={"Authorization": f"Bearer {key}"}, timeout=2).status_code < 500
    except httpx.HTTPError:
        return False


def until(what: object, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if callable(what) and what():
            return True
        time.sleep(0.05)
    return False


def test_a_killed_engine_comes_back_and_a_stopped_one_does_not(tmp_path: Path) -> None:
    engine = LocalEngine("noop", [], tmp_path)
    endpoint = engine.start()
    revival = Revival(engine)
    revival.start()
    try:
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert until(lambda: revival.count == 1 and engine.pid != first and healthy(endpoint.url, endpoint.key))
        second = engine.pid
    finally:
        revival.stop()
        engine.stop()
    assert second is not None
    assert until(lambda: not Path(f"/proc/{second}").exists())
    time.sleep(0.3)
    assert revival.count == 1
    assert not healthy(endpoint.url, endpoint.key)


def test_an_engine_that_goes_on_dying_is_left_dead(tmp_path: Path) -> None:
    engine = LocalEngine("noop", [], tmp_path)
    engine.start()
    revival = Revival(engine, most=1)
    revival.start()
    try:
        for _ in range(2):
            assert until(lambda: engine.pid is not None and engine.alive())
            pid = engine.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert until(lambda pid=pid: engine.pid != pid or not engine.alive())
        time.sleep(0.5)
        assert not engine.alive()
        assert revival.count == 1
    finally:
        revival.stop()
        engine.stop()
