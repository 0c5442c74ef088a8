"""Memory for sandboxes, shared by all sessions of this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.plugin_fakes import FakeProvider

from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.sandbox.ram import RamPool, RamTicket, gigabytes, needed_gb


class TidyPool(RamPool):
    """A pool that gives everything back at a test's end."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.tickets: list[RamTicket] = []

    def take(self, gb: float, **how: Any) -> RamTicket:
        self.tickets.append(super().take(gb, **how))
        return self.tickets[-1]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[RamPool]:
    made = TidyPool(tmp_path / "ram")
    yield made
    for ticket in made.tickets:
        ticket.release()


class Taker(threading.Thread):
    """Somebody who wants memory."""

    def __init__(self, pool: RamPool, gb: float, cap: float | None) -> None:
        super().__init__(daemon=True)
        self._pool, self._gb, self._cap = pool, gb, cap
        self.told: list[str] = []
        self.ticket: RamTicket | None = None
        self.start()

    def run(self) -> None:
        self.ticket = self._pool.take(self._gb, cap=self._cap, progress=self.told.append, poll=0.01)


def _until(there: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_fits_is_taken_at_once_and_given_back(pool: RamPool) -> None:
    first, second = pool.take(1.5, cap=2), pool.take(0.5, cap=2)
    assert pool.taken_gb() == 2
    first.release()
    first.release()
    assert pool.taken_gb() == 0.5
    second.release()
    assert pool.taken_gb() == 0


def test_what_does_not_fit_waits_and_says_for_what(pool: RamPool) -> None:
    held = pool.take(1.5, cap=2)
    waiting = Taker(pool, 1, 2)
    _until(lambda: waiting.told)
    assert waiting.told == ["waiting for memory: needs 1 GB, 1.5 of 2 GB are taken"]
    assert pool.taken_gb() == 1.5
    held.release()
    _until(lambda: waiting.ticket)
    assert pool.taken_gb() == 1


def test_who_came_first_is_served_first_though_another_would_fit(pool: RamPool) -> None:
    held = pool.take(2, cap=4)
    big = Taker(pool, 3, 4)
    _until(lambda: big.told)
    small = Taker(pool, 1, 4)
    _until(lambda: small.told)
    assert small.told == ["waiting for memory: needs 1 GB, 2 of 4 GB are taken, 1 run before it"]
    held.release()
    _until(lambda: big.ticket and small.ticket)
    assert pool.taken_gb() == 4


def test_a_session_without_a_cap_does_not_wait_and_is_counted(pool: RamPool) -> None:
    capped = pool.take(2, cap=2)
    free = pool.take(8)
    capped.release()
    waiting = Taker(pool, 1, 2)
    _until(lambda: waiting.told)
    assert "8 of 2 GB are taken" in waiting.told[0]
    free.release()
    _until(lambda: waiting.ticket)


def test_more_than_the_cap_is_refused(pool: RamPool) -> None:
    with pytest.raises(ValueError, match=r"3 GB are more than the cap of 2 GB"):
        pool.take(3, cap=2)
    assert pool.taken_gb() == 0


def test_an_interrupt_while_waiting_leaves_no_ticket(pool: RamPool, tmp_path: Path) -> None:
    held = pool.take(2, cap=2)

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.take(1, cap=2, progress=interrupt)
    held.release()
    assert list((tmp_path / "ram").glob("*.ticket")) == []


def test_memory_of_a_killed_process_is_free(pool: RamPool, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from pytest_2501bench.sandbox.ram import RamPool;"
        "ticket = RamPool(Path(sys.argv[1])).take(2, cap=2); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "ram")], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert pool.taken_gb() == 2
        waiting = Taker(pool, 1, 2)
        _until(lambda: waiting.told)
        other.send_signal(signal.SIGKILL)
    _until(lambda: waiting.ticket)
    assert len(list((tmp_path / "ram").glob("*.ticket"))) == 1  # the dead one's was swept


def test_many_at_once_never_take_more_than_the_cap(pool: RamPool) -> None:
    most: list[float] = []

    def use() -> None:
        for _ in range(5):
            ticket = pool.take(1, cap=3, poll=0.001)
            most.append(pool.taken_gb())
            ticket.release()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 40
    assert max(most) <= 3


def test_a_run_needs_the_memory_of_all_its_hosts(tmp_path: Path) -> None:
    assert needed_gb(FakeProvider(tmp_path), [HostSpec("a"), HostSpec("b")]) == 2


def test_registered_hosts_take_no_memory_here(tmp_path: Path) -> None:
    (tmp_path / "fakes.json").write_text('{"fresh": false}')
    assert needed_gb(FakeProvider(tmp_path), [HostSpec("a")]) == 0


@pytest.mark.parametrize(("number", "shown"), [(16.0, "16"), (1.5, "1.5"), (0.25, "0.2"), (22.9134, "22.9")])
def test_gigabytes_for_people(number: float, shown: str) -> None:
    assert gigabytes(number) == shown
