"""Runs are found where they lie; documents are replaced whole; a living owner is told from a dead one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.processes import python, results
from support.records import benchmark, report, started, write_run

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import (
    read_benchmark,
    read_report,
    run_dir,
    runs_in,
    write_benchmark,
    write_report,
)
from pytest_2501bench.evidence.owner import Owner, owner_alive

KEYS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,30}", fullmatch=True)


@given(KEYS, KEYS, st.integers(1, 30), st.integers(1, 30), st.integers(1, 3), st.integers(1, 3))
def test_two_runs_never_share_a_folder(one: str, other: str, i: int, j: int, a: int, b: int) -> None:
    first, second = run_dir(Path(), "bmk_1", one, i, a), run_dir(Path(), "bmk_1", other, j, b)
    assert (first == second) == ((one, i, a) == (other, j, b))
    assert first.parent == Path("runs/bmk_1")


def test_runs_are_listed_by_benchmark_and_name_and_half_made_ones_are_not(tmp_path: Path) -> None:
    assert list(runs_in(tmp_path)) == []
    for benchmark_id in ("bmk_2", "bmk_1"):
        write_benchmark(tmp_path, benchmark(benchmark_id))
        for iteration in (2, 1):
            write_run(run_dir(tmp_path, benchmark_id, "nginx/001", iteration), started())
    (tmp_path / "runs" / "bmk_1" / ".half.1.2").mkdir()
    (tmp_path / "runs" / "notes.txt").write_text("mine")
    assert [run.relative for run in runs_in(tmp_path)] == [
        "runs/bmk_1/nginx+001+run1",
        "runs/bmk_1/nginx+001+run2",
        "runs/bmk_2/nginx+001+run1",
        "runs/bmk_2/nginx+001+run2",
    ]
    assert {run.benchmark_id for run in runs_in(tmp_path)} == {"bmk_1", "bmk_2"}


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    write_report(tmp_path, report())
    assert read_report(tmp_path) == report()
    write_report(tmp_path, report(iteration=2))
    assert read_report(tmp_path).iteration == 2
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_benchmark_comes_back_as_it_was(tmp_path: Path) -> None:
    place = write_benchmark(tmp_path, benchmark())
    assert read_benchmark(place) == benchmark()
    write_benchmark(tmp_path, benchmark(finished_at=9.0))
    assert read_benchmark(place).finished_at == 9.0


def test_a_disk_that_fills_up_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(tmp_path, report())

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        BenchError, match=r"report: .*report\.json: No space left on device\. Free some space"
    ) as caught:
        write_report(tmp_path, report(iteration=2))
    assert caught.value.cause is Cause.EVIDENCE_NOT_WRITTEN
    assert read_report(tmp_path).iteration == 1
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "report.json: No such file or directory."),
        (b"{", "report.json: not JSON: Expecting property name enclosed in double quotes"),
        (b"\xff", "report.json: not JSON: 'utf-8' codec can't decode"),
        (b"[]", "report.json: Input should be a valid dictionary"),
        (b"{}", "report.json: /run_id: Field required"),
    ],
)
def test_an_unreadable_report_is_said_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(BenchError) as caught:
        read_report(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_living_owner_is_told_from_a_dead_one(tmp_path: Path) -> None:
    write_run(tmp_path / "mine")
    assert owner_alive(tmp_path / "mine")
    code = """
        import sys
        from pathlib import Path
        from support.records import write_run
        write_run(Path(sys.argv[1]))
        print("written", flush=True)
        sys.stdin.readline()
    """
    process = python(code, str(tmp_path / "other"))
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    assert owner_alive(tmp_path / "other")
    results([process])
    assert not owner_alive(tmp_path / "other")


def test_a_reused_pid_or_another_boot_is_not_the_owner() -> None:
    owner = Owner.current()
    assert owner.alive()
    assert not owner.model_copy(update={"started": "1"}).alive()
    assert not owner.model_copy(update={"started": ""}).alive()
    assert not owner.model_copy(update={"world": "another boot"}).alive()
    assert not owner.model_copy(update={"pid": 2**22 + 1}).alive()


def test_a_zombie_works_on_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it ended, and nobody has taken notice
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        owner = Owner.current().model_copy(update={"pid": process.pid, "started": stat[19]})
        assert stat[0] == "Z"
        assert not owner.alive()


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", json.dumps({"pid": "x"})])
def test_no_readable_owner_means_that_there_is_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "owner.json").write_text(content)
    assert not owner_alive(tmp_path)
