"""Taking hosts: one at a time, in one order, with a heartbeat that notices a loss."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import python

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.host import hold
from pytest_2501bench.sandbox.host.hold import HostHolds
from pytest_2501bench.sandbox.protocol import silent
from pytest_2501bench.store.leases import Holder, Leases
from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.repository import Store

WEB = RegisteredHost(host_id="hst_web", host_name="web-01", ssh_address="10.0.0.1")
DB = RegisteredHost(host_id="hst_db", host_name="db-01", ssh_address="10.0.0.2")
ELSEWHERE = Holder(user_name="bob", machine="bench-2", pid=1, started="1", world="another boot")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "LOOK_AGAIN", 0.02)
    monkeypatch.setattr(hold, "BEAT_SECONDS", 0.05)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(None, tmp_path) as store:
        store.register_host(WEB)
        store.register_host(DB)
        yield store


@pytest.fixture
def holds(store: Store, tmp_path: Path) -> Iterator[HostHolds]:
    holds = HostHolds(lambda: Leases(store), tmp_path / "locks")
    yield holds
    for name in ("sbx_1", "sbx_2"):
        holds.release(name)
    eventually(lambda: holds._thread is None)


def eventually(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_host_in_use_is_waited_for_and_it_is_said_for_whom(holds: HostHolds, store: Store) -> None:
    holds.take([WEB], "sbx_1", silent)
    said: list[str] = []
    second = threading.Thread(target=holds.take, args=([WEB], "sbx_2", said.append))
    second.start()
    eventually(lambda: said)
    assert said[0].startswith("waiting for host web-01, in use by ")
    assert "since" in said[0]
    assert Leases(store).all()["hst_web"].sandbox == "sbx_1"
    holds.release("sbx_1")
    second.join(timeout=10)
    assert Leases(store).all()["hst_web"].sandbox == "sbx_2"
    assert len(said) == 1, "the same is not said again and again"


def test_waiting_for_another_machine_names_it_and_ends_with_its_lease(holds: HostHolds, store: Store) -> None:
    Leases(store).take("hst_web", "theirs", "sbx_9", ELSEWHERE, seconds=1.5)
    said: list[str] = []
    start = time.monotonic()
    holds.take([WEB], "sbx_1", said.append)
    assert time.monotonic() - start > 1
    assert said[0].startswith("waiting for host web-01, in use by bob on bench-2 (process 1) since ")
    assert said[-1].endswith(", and did not restore it")


def test_an_interrupt_ends_the_waiting_and_gives_back_what_was_taken(
    holds: HostHolds, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = sorted([WEB, DB], key=hold.place_of)
    Leases(store).take(last.host_id, "theirs", "sbx_9", ELSEWHERE, seconds=60)

    def interrupted(_line: str) -> None:
        assert Leases(store).all()[first.host_id].sandbox == "sbx_1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        holds.take([WEB, DB], "sbx_1", interrupted)
    eventually(lambda: set(Leases(store).all()) == {last.host_id})
    holds.take([first], "sbx_2", silent)


def test_two_runs_with_the_same_two_hosts_in_another_order_do_not_wait_in_a_circle(holds: HostHolds) -> None:
    def often(hosts: list[RegisteredHost], name: str) -> None:
        for _ in range(10):
            holds.take(hosts, name, silent)
            holds.release(name)

    threads = [threading.Thread(target=often, args=args) for args in (([WEB, DB], "sbx_1"), ([DB, WEB], "sbx_2"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_two_names_of_one_machine_are_refused(holds: HostHolds) -> None:
    twin = DB.model_copy(update={"ssh_address": "10.0.0.1"})
    with pytest.raises(BenchError, match=r"are the same machine: 10\.0\.0\.1, port 22"):
        holds.take([WEB, twin], "sbx_1", silent)


def test_the_heartbeat_keeps_a_lease_and_ends_with_the_last_one(
    holds: HostHolds, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "LEASE_SECONDS", 2.0)
    holds.take([WEB], "sbx_1", silent)
    time.sleep(2.5)
    assert not Leases(store).all()["hst_web"].expired
    assert holds.lost("sbx_1") is None
    holds.release("sbx_1")
    eventually(lambda: holds._thread is None)


def test_a_lost_lease_is_noticed_and_named(holds: HostHolds, store: Store) -> None:
    holds.take([WEB], "sbx_1", silent)
    Leases(store).take("hst_web", "theirs", "sbx_9", ELSEWHERE, seconds=60, gone=lambda _: True)
    eventually(lambda: holds.lost("sbx_1"))
    assert str(holds.lost("sbx_1")).startswith(
        "the lease of host web-01 was lost: it is bob on bench-2 (process 1) since "
    )
    holds.release("sbx_1")
    assert Leases(store).all()["hst_web"].sandbox == "sbx_9"


def test_a_database_that_is_silent_for_too_long_loses_the_lease(
    holds: HostHolds, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "LEASE_SECONDS", 0.3)
    holds.take([WEB], "sbx_1", silent)
    # The whole folder: where only the file is gone, the next heartbeat has SQLite make an empty one.
    away = tmp_path.with_name("away")
    tmp_path.rename(away)
    try:
        store.engine.dispose()
        eventually(lambda: holds.lost("sbx_1"))
        assert "could not be renewed" in str(holds.lost("sbx_1"))
        holds.release("sbx_1")  # nobody hears it
    finally:
        away.rename(tmp_path)
    eventually(lambda: Leases(store).all() == {})


KILLED = """
    import sys, time
    from pathlib import Path
    from pytest_2501bench.sandbox.host.hold import HostHolds
    from pytest_2501bench.store.leases import Leases
    from pytest_2501bench.store.repository import Store
    place = Path(sys.argv[1])
    with Store.open(None, place) as store:
        HostHolds(lambda: Leases(store), place / "locks").take([store.host("hst_web")], "sbx_9", print)
        print("taken", flush=True)
        time.sleep(60)
"""


def test_the_lease_of_a_killed_process_of_this_machine_is_taken_over_at_once(
    holds: HostHolds, store: Store, tmp_path: Path
) -> None:
    process = python(KILLED, str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    said: list[str] = []
    waiting = threading.Thread(target=holds.take, args=([WEB], "sbx_1", said.append))
    waiting.start()
    eventually(lambda: said)
    assert f"(process {process.pid})" in said[0]
    process.kill()
    process.communicate()
    waiting.join(timeout=30)
    assert not waiting.is_alive(), "a minute is for other machines"
    assert Leases(store).all()["hst_web"].sandbox == "sbx_1"
    assert "died" in said[-1]


def test_sessions_with_other_databases_meet_at_the_lock_file(holds: HostHolds, store: Store, tmp_path: Path) -> None:
    holds.take([WEB], "sbx_1", silent)
    with Store.open(None, tmp_path / "other") as other:
        other.register_host(WEB.model_copy(update={"host_id": "hst_same"}))
        theirs = HostHolds(lambda: Leases(other), tmp_path / "locks")
        said: list[str] = []
        waiting = threading.Thread(target=theirs.take, args=([other.hosts()[0]], "sbx_2", said.append))
        waiting.start()
        eventually(lambda: said)
        assert "on this machine (process" in said[0]
        holds.release("sbx_1")
        waiting.join(timeout=10)
        theirs.release("sbx_2")
        eventually(lambda: theirs._thread is None)
