"""Leases: whose a sandbox is, and whether that owner lives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_2501bench.process_identity import Process, start_time, this_process
from pytest_2501bench.sandbox.ledger import Ledger


def test_a_row_is_on_disk_as_soon_as_it_is_added(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add("namespace", "sbx_a", "s1")
    (row,) = Ledger(tmp_path).leases()
    assert (row.mode, row.name, row.session, row.owner.pid) == ("namespace", "sbx_a", "s1", os.getpid())
    assert row.owner_alive()


def test_a_removed_row_is_gone_and_removing_it_again_is_harmless(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add("namespace", "sbx_a", "s1")
    ledger.remove("sbx_a")
    ledger.remove("sbx_a")
    assert ledger.leases() == []


def test_rows_of_other_modes_are_not_listed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add("incus", "sbx_a", "s1")
    ledger.add("namespace", "sbx_b", "s1")
    assert [lease.name for lease in ledger.leases("namespace")] == ["sbx_b"]


@pytest.mark.parametrize(
    ("change", "alive"),
    [
        pytest.param({}, True, id="this very process"),
        pytest.param({"started": "1"}, False, id="pid reused by another process"),
        pytest.param({"pid": 2**22 + 1}, False, id="no such process"),
        pytest.param({"world": "another-boot pid:[4026531836]"}, False, id="before a reboot"),
        pytest.param({"pid": 0, "started": "", "world": ""}, True, id="kept on purpose"),
    ],
)
def test_an_owner_is_alive_only_if_it_is_the_same_process(
    tmp_path: Path, change: dict[str, str | int], *, alive: bool
) -> None:
    lease = Ledger(tmp_path).add("namespace", "sbx_a", "s1")
    pid, started, world = (change.get(name, getattr(lease.owner, name)) for name in ("pid", "started", "world"))
    assert replace(lease, owner=Process(int(pid), str(started), str(world))).owner_alive() is alive


def test_an_owner_in_another_container_counts_as_alive_because_we_cannot_look(tmp_path: Path) -> None:
    lease = Ledger(tmp_path).add("namespace", "sbx_a", "s1")
    boot = this_process().world.split(" ")[0]
    assert replace(lease, owner=Process(2**22 + 1, "1", f"{boot} pid:[1]")).owner_alive()


def test_a_process_that_ended_but_was_not_waited_for_has_no_start_time() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert start_time(process.pid) is None


def test_a_kept_row_outlives_its_owner(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add("namespace", "sbx_a", "s1")
    ledger.keep("sbx_a")
    (row,) = ledger.leases()
    assert row.owner.pid == 0
    assert row.owner_alive()


def test_a_torn_row_keeps_its_name_and_has_no_living_owner(tmp_path: Path) -> None:
    (tmp_path / "sbx_a.json").write_text('{"mode": "name')
    (row,) = Ledger(tmp_path).leases("namespace")
    assert row.name == "sbx_a"
    assert not row.owner_alive()


def test_only_one_process_reaps_at_a_time(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with ledger.reaping() as first, Ledger(tmp_path).reaping() as second:
        assert (first, second) == (True, False)
    with ledger.reaping() as again:
        assert again


def test_rows_added_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    ledgers = [Ledger(tmp_path) for _ in range(8)]
    threads = [
        threading.Thread(target=ledger.add, args=("namespace", f"sbx_{index}", "s1"))
        for index, ledger in enumerate(ledgers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lease.name for lease in ledgers[0].leases()) == [f"sbx_{index}" for index in range(8)]


def test_the_ledger_is_for_its_user_only_and_holds_no_temporary_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.add("namespace", "sbx_a", "s1")
    assert (tmp_path / "ledger").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (tmp_path / "ledger").iterdir()) == [".lock", "sbx_a.json"]
    assert json.loads((tmp_path / "ledger" / "sbx_a.json").read_text())["owner"]["pid"] == os.getpid()
