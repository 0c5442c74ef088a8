"""A host has one lease, whoever asks, in both databases; it ends by release, by expiry or with its process."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from support.processes import python, results

from pytest_2501bench.store import schema
from pytest_2501bench.store.connect import transaction
from pytest_2501bench.store.leases import Holder, Leases
from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.repository import Store

HERE = Holder(user_name="alice", machine="bench-1", pid=17, started="1", world="boot-1 pid:[1]")
THERE = Holder(user_name="bob", machine="bench-2", pid=17, started="1", world="boot-2 pid:[1]")


@pytest.fixture
def leases(store: Store) -> Leases:
    for name in ("web", "db"):
        store.register_host(RegisteredHost(host_id=f"hst_{name}", host_name=name))
    return Leases(store)


def test_the_second_one_is_told_who_has_the_host(leases: Leases) -> None:
    assert leases.take("hst_web", "t1", "sbx_1", HERE, seconds=60) is None
    other = leases.take("hst_web", "t2", "sbx_2", THERE, seconds=60)
    assert other is not None
    assert (other.holder, other.sandbox, other.expired) == (HERE, "sbx_1", False)
    assert 0 <= other.seconds < 10
    assert leases.take("hst_db", "t2", "sbx_2", THERE, seconds=60) is None


def test_a_lease_that_was_given_back_is_free(leases: Leases) -> None:
    leases.take("hst_web", "t1", "sbx_1", HERE, seconds=60)
    leases.release(["t2"])
    assert set(leases.all()) == {"hst_web"}
    leases.release(["t1", "t1"])
    assert leases.all() == {}
    assert leases.take("hst_web", "t2", "sbx_2", THERE, seconds=60) is None
    leases.release_sandbox("sbx_2")
    assert leases.all() == {}


def test_a_lease_that_was_not_renewed_is_taken_over_and_its_owner_learns_it(leases: Leases) -> None:
    leases.take("hst_web", "t1", "sbx_1", HERE, seconds=-1)
    assert leases.all()["hst_web"].expired
    assert leases.take("hst_web", "t2", "sbx_2", THERE, seconds=60) is None
    assert leases.renew(["t1"], seconds=60) == frozenset()
    assert leases.all()["hst_web"].token == "t2"
    leases.release(["t1"])
    assert leases.all()["hst_web"].token == "t2", "who has lost a lease cannot give back the next one's"


def test_a_renewed_lease_does_not_expire(leases: Leases) -> None:
    leases.take("hst_web", "t1", "sbx_1", HERE, seconds=-1)
    assert leases.renew(["t1", "t9"], seconds=60) == {"t1"}
    assert leases.take("hst_web", "t2", "sbx_2", THERE, seconds=60) is not None


def test_the_caller_may_know_better_than_the_clock(leases: Leases) -> None:
    leases.take("hst_web", "t1", "sbx_1", HERE, seconds=60)
    assert leases.take("hst_web", "t2", "sbx_2", THERE, seconds=60, gone=lambda lease: lease.holder == HERE) is None
    leases.renew(["t2"], seconds=-1)
    assert leases.take("hst_web", "t3", "sbx_3", HERE, seconds=60, gone=lambda _: False) is not None


def test_a_removed_host_has_no_lease(store: Store, leases: Leases) -> None:
    leases.take("hst_web", "t1", "sbx_1", HERE, seconds=60)
    store.remove_host("hst_web")
    assert leases.all() == {}
    assert leases.renew(["t1"], seconds=60) == frozenset()


def test_registering_a_host_again_keeps_lease_quarantine_and_facts(store: Store, leases: Leases) -> None:
    leases.take("hst_web", "t1", "sbx_1", HERE, seconds=60)
    store.quarantine_host("hst_web", "it burns")
    store.note_facts("hst_web", {"systemd": True, "pid1": "systemd"})
    store.enrol_host(RegisteredHost(host_id="hst_web", host_name="web", ssh_address="10.0.0.9"))
    host = store.host("hst_web")
    assert host is not None
    assert (host.ssh_address, host.quarantine) == ("10.0.0.9", "it burns")
    assert host.facts == {"systemd": True, "pid1": "systemd"}
    assert set(leases.all()) == {"hst_web"}


@pytest.mark.postgres
def test_expiry_goes_by_the_servers_clock_and_not_by_ours(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(postgres_url, tmp_path) as store:
        store.register_host(RegisteredHost(host_id="hst_web", host_name="web"))
        leases = Leases(store)
        monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)  # a machine that lives in the year 2096
        assert leases.take("hst_web", "t1", "sbx_1", HERE, seconds=60) is None
        monkeypatch.undo()
        assert not leases.all()["hst_web"].expired
        assert leases.all()["hst_web"].seconds < 10
        with transaction(store.engine) as connection:
            ahead = connection.scalar(sa.select(schema.host_leases.c.expires_at))
        assert ahead is not None
        assert ahead < 3_000_000_000


CONTENDER = """
    import sys, time
    from pathlib import Path
    from pytest_2501bench.store.leases import Holder, Leases
    from pytest_2501bench.store.repository import Store
    url, name = sys.argv[1:]
    me = Holder(user_name=name, machine=name, pid=1, started="1", world=name)
    with Store.open(url, Path(".")) as store:
        leases = Leases(store)
        print("ready", flush=True)
        sys.stdin.readline()
        for turn in range(5):
            while leases.take("hst_web", f"{name}-{turn}", name, me, seconds=60) is not None:
                time.sleep(0.01)
            print("in", time.monotonic(), flush=True)
            time.sleep(0.03)
            print("out", time.monotonic(), flush=True)
            leases.release([f"{name}-{turn}"])
"""


def test_several_processes_have_a_host_one_after_the_other(database_url: str, tmp_path: Path) -> None:
    with Store.open(database_url, tmp_path) as store:
        store.register_host(RegisteredHost(host_id="hst_web", host_name="web"))
    processes = [python(CONTENDER, database_url, name) for name in ("one", "two", "three")]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    moments = sorted(
        (float(line.split()[1]), line.split()[0]) for out in results(processes) for line in out.splitlines()
    )
    assert [word for _, word in moments] == ["in", "out"] * 15
