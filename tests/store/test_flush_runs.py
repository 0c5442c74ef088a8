"""Flushing removes rows and evidence together, refuses what must stay, and survives being killed anywhere."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.processes import python
from support.reports import make_report
from support.stored import DAY, NEW, OLD, abandon, fill, session

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import runs_in, write_benchmark
from pytest_2501bench.evidence.model import KeptRecord
from pytest_2501bench.evidence.owner import owner_line
from pytest_2501bench.store import flush
from pytest_2501bench.store.connect import transaction
from pytest_2501bench.store.flush import carry_out, finish, place, reclaimable, unfinished, vacuum
from pytest_2501bench.store.flush_journal import Journal, alone, read_journal, write_journal
from pytest_2501bench.store.flush_plan import FlushPlan, plan_flush
from pytest_2501bench.store.protection import protect, release
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.schema import phase_durations, rule_results
from pytest_2501bench.store.selection import Selection
from pytest_2501bench.store.sync import sync

ALL = Selection()
IDS = [f"run_{letter * 4}" for letter in "abcde"]


@pytest.fixture
def bench_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "bench"
    folder.mkdir()
    return folder


@pytest.fixture
def filled(store: Store, bench_dir: Path) -> Store:
    fill(store, bench_dir)
    (bench_dir / "engines" / OLD).mkdir(parents=True)
    (bench_dir / "engines" / OLD / "engine.log").write_text("log")
    return store


def left(store: Store) -> list[str]:
    return [report.run_id for report in store.reports()]


def consistent(store: Store, bench_dir: Path) -> None:
    """Every row has its folder and every folder its row, no rule or phase lacks its run, nothing is left over."""
    reports = store.reports()
    folders = {folder.relative for folder in runs_in(bench_dir)}
    assert {report.evidence for report in reports} == folders
    assert not list(bench_dir.glob("runs/**/.*"))
    ids = {report.run_id for report in reports}
    with transaction(store.engine) as connection:
        for table in (rule_results, phase_durations):
            assert set(connection.scalars(sa.select(table.c.run_id).distinct())) <= ids
    assert {path.name for path in (bench_dir / "runs").iterdir()} == {each.id for each in store.benchmarks()}
    assert read_journal(bench_dir) is None


def why(plan: FlushPlan) -> dict[str, str]:
    return {each.run_id: each.why for each in plan.refused}


@pytest.mark.parametrize(
    ("selection", "gone", "benchmarks"),
    [
        (Selection(benchmarks=(OLD,)), "ab", [NEW]),
        (Selection(scenarios=("nginx/001-broken-config",)), "abc", [NEW]),
        (Selection(statuses=("failed", "error")), "bde", [OLD, NEW]),
        (Selection(before=time.time() - 90 * DAY), "ab", [NEW]),
        (Selection(before=time.time() - 110 * DAY), "", [OLD, NEW]),
        (ALL, "abcde", []),
    ],
    ids=["benchmark", "scenario", "status", "age", "nothing that old", "all"],
)
def test_what_is_asked_for_goes_and_nothing_else(
    filled: Store, bench_dir: Path, selection: Selection, gone: str, benchmarks: list[str]
) -> None:
    plan = plan_flush(filled, bench_dir, selection)
    assert left(filled) == IDS  # a plan changes nothing
    assert carry_out(filled, bench_dir, plan) == len(gone)
    assert left(filled) == [run_id for run_id in IDS if run_id[-1] not in gone]
    assert [each.id for each in filled.benchmarks()] == benchmarks
    assert (bench_dir / "engines" / OLD).exists() == (OLD in benchmarks)
    consistent(filled, bench_dir)


def test_the_plan_counts_rows_files_and_bytes(filled: Store, bench_dir: Path) -> None:
    plan = plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,)))
    files = [path for path in (bench_dir / "runs" / OLD).rglob("*") if path.is_file()]
    files.append(bench_dir / "engines" / OLD / "engine.log")
    assert (len(plan.runs), plan.rules, plan.phases, plan.benchmarks) == (2, 8, 10, (OLD,))
    assert (plan.files, plan.bytes) == (len(files), sum(path.stat().st_size for path in files))
    assert plan.first is not None
    assert plan.last == pytest.approx(plan.first + 10)


# ---- what stays -----------------------------------------------------------------------------------------------------


def test_an_audited_run_stays_until_it_is_released(filled: Store, bench_dir: Path) -> None:
    protect(filled, ["run_bbbb"], "ada@bench-01", time.time(), "0" * 64)
    plan = plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,)))
    assert why(plan) == {"run_bbbb": "an audit protects it"}
    carry_out(filled, bench_dir, plan)
    assert left(filled) == IDS[1:]
    consistent(filled, bench_dir)
    release(filled, ["run_bbbb"], "ada@bench-01", time.time(), "done with")
    carry_out(filled, bench_dir, plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,))))
    assert left(filled) == IDS[2:]


def test_a_run_that_is_audited_after_the_plan_was_made_stays_too(filled: Store, bench_dir: Path) -> None:
    plan = plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,)))
    protect(filled, ["run_aaaa"], "ada@bench-01", time.time(), "0" * 64)
    assert carry_out(filled, bench_dir, plan) == 1
    assert left(filled) == ["run_aaaa", *IDS[2:]]
    consistent(filled, bench_dir)


def test_runs_of_a_living_session_stay(filled: Store, bench_dir: Path) -> None:
    (bench_dir / "runs" / NEW / "owner.json").write_text(owner_line())
    plan = plan_flush(filled, bench_dir, ALL)
    assert why(plan) == dict.fromkeys(IDS[2:], "its session still goes on")
    assert plan.benchmarks == (OLD,)


def test_a_session_of_another_machine_counts_as_living_for_a_day(filled: Store, bench_dir: Path) -> None:
    for benchmark_id, started_at in ((OLD, time.time() - 2 * DAY), (NEW, time.time() - 3600)):
        head = session(benchmark_id, started_at, machine="far").model_copy(update={"finished_at": None})
        filled.save_benchmark(head)
    assert why(plan_flush(filled, bench_dir, ALL)) == dict.fromkeys(IDS[2:], "its session may still go on, on far")


def test_runs_whose_hosts_are_kept_stay_until_the_hosts_are_gone(filled: Store, bench_dir: Path) -> None:
    report = filled.report("run_aaaa")
    assert report is not None
    kept = KeptRecord(sandbox="sbx_1", enter=("ssh web-01",), remove="2501bench sandbox restore -n sbx_1")
    filled.save_report(report.model_copy(update={"kept": kept}))
    plan = plan_flush(filled, bench_dir, ALL, kept=["sbx_1"])
    assert why(plan) == {"run_aaaa": "its hosts are kept: 2501bench sandbox restore -n sbx_1"}
    assert not why(plan_flush(filled, bench_dir, ALL, kept=["sbx_2"]))


def test_rows_whose_evidence_is_elsewhere_go_only_when_that_is_asked_for(filled: Store, bench_dir: Path) -> None:
    shutil.rmtree(next(bench_dir.glob("runs/*/*run_aaaa")))
    plan = plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,)))
    assert why(plan) == {"run_aaaa": f"its evidence is not in {bench_dir} (--missing-files)"}
    carry_out(filled, bench_dir, plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,)), missing_files=True))
    assert left(filled) == IDS[2:]
    consistent(filled, bench_dir)


@pytest.mark.parametrize("place", ["../precious", "runs/../../precious", f"runs/{OLD}/..", "/etc", f"runs/{NEW}/x"])
def test_a_row_cannot_make_it_remove_another_folder(filled: Store, bench_dir: Path, place: str) -> None:
    precious = bench_dir.parent / "precious"
    precious.mkdir()
    filled.save_report(make_report(run_id="run_zzzz", benchmark_id=OLD, evidence=place))
    plan = plan_flush(filled, bench_dir, ALL, missing_files=True)
    assert why(plan) == {"run_zzzz": f"'{place}' is not the folder of a run of its benchmark"}
    carry_out(filled, bench_dir, plan)
    assert precious.is_dir()
    assert left(filled) == ["run_zzzz"]


def test_a_benchmark_with_runs_that_are_not_stored_yet_stays(filled: Store, bench_dir: Path) -> None:
    unsynced = bench_dir / "runs" / OLD / "nginx+001+run9"
    unsynced.mkdir()
    carry_out(filled, bench_dir, plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,))))
    assert unsynced.is_dir()
    assert filled.benchmark(OLD) is not None


def test_benchmarks_that_never_had_a_run_go_by_age(filled: Store, bench_dir: Path) -> None:
    head = session("bmk_empty", time.time() - 100 * DAY)
    abandon(write_benchmark(bench_dir, head))
    filled.save_benchmark(head)
    by_status = plan_flush(filled, bench_dir, Selection(statuses=("failed",), before=time.time() - 90 * DAY))
    assert by_status.benchmarks == ()
    plan = plan_flush(filled, bench_dir, Selection(before=time.time() - 90 * DAY))
    assert set(plan.benchmarks) == {OLD, "bmk_empty"}
    carry_out(filled, bench_dir, plan)
    assert [each.id for each in filled.benchmarks()] == [NEW]
    consistent(filled, bench_dir)


# ---- killed, or in the way of one another ---------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from pytest_2501bench.store import flush, flush_journal
from pytest_2501bench.store.flush_plan import plan_flush
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.selection import Selection

url, bench_dir, name, when = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
real = getattr(flush, name)
calls = []

def dies(*args, **kwargs):
    calls.append(args)
    if len(calls) == when:
        if name == "remove_folder":  # half of it is gone
            hidden = args[0].with_name(f".flushed-{args[0].name}")
            args[0].rename(hidden)
            next(hidden.iterdir()).unlink()
        if name == "write_journal":
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)

setattr(flush, name, dies)
flush.AT_ONCE = 2
with Store.open(url, bench_dir) as store:
    flush.carry_out(store, bench_dir, plan_flush(store, bench_dir, Selection()))
"""


@pytest.mark.parametrize(
    ("name", "when", "rows"),
    [
        ("write_journal", 1, 5),  # written down, nothing removed yet
        ("remove_folder", 1, 3),  # rows gone, the first folder half gone
        ("remove_folder", 2, 3),  # one folder gone
        ("forget_journal", 1, 3),  # all of a part gone, and still in the journal
        ("write_journal", 3, 1),  # before the last part
        ("remove_folder", 6, 0),  # runs gone, a benchmark half gone
    ],
)
def test_killed_anywhere_no_row_lacks_its_files_and_the_next_flush_finishes(
    filled: Store, database_url: str, bench_dir: Path, name: str, when: int, rows: int
) -> None:
    process = python(KILLED, database_url, str(bench_dir), name, str(when))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    reports = filled.reports()
    assert len(reports) == rows
    assert all((bench_dir / report.evidence / "report.json").is_file() for report in reports)
    # A sync in between must not bring back what is on its way out.
    assert sync(bench_dir, filled).imported == ()
    assert len(filled.reports()) == rows
    journal = unfinished(filled, bench_dir)
    assert journal is not None
    finish(filled, bench_dir, journal)
    carry_out(filled, bench_dir, plan_flush(filled, bench_dir, ALL))
    assert left(filled) == []
    consistent(filled, bench_dir)
    assert not list((bench_dir / "runs").iterdir())


def test_a_run_that_was_audited_since_the_crash_stays(filled: Store, bench_dir: Path) -> None:
    plan = plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,)))
    write_journal(bench_dir, Journal(database=place(filled, bench_dir), runs=plan.runs))
    protect(filled, ["run_aaaa"], "ada@bench-01", time.time(), "0" * 64)
    journal = unfinished(filled, bench_dir)
    assert journal is not None
    assert finish(filled, bench_dir, journal) == 1
    assert left(filled) == ["run_aaaa", *IDS[2:]]
    consistent(filled, bench_dir)


def test_what_was_begun_with_another_database_is_not_finished_with_this_one(filled: Store, bench_dir: Path) -> None:
    write_journal(bench_dir, Journal(database="elsewhere", benchmarks=(OLD,)))
    with pytest.raises(BenchError, match="a flush of elsewhere was cut off here"):
        unfinished(filled, bench_dir)


def test_a_folder_that_cannot_be_removed_is_told_and_finished_later(
    filled: Store, bench_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(path: Path) -> None:
        raise BenchError(Cause.EVIDENCE_NOT_WRITTEN, f"cannot be removed: {path}: busy.")

    with monkeypatch.context() as patch:
        patch.setattr(flush, "remove_folder", stuck)
        with pytest.raises(BenchError, match="busy"):
            carry_out(filled, bench_dir, plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,))))
    journal = unfinished(filled, bench_dir)
    assert journal is not None
    finish(filled, bench_dir, journal)
    carry_out(filled, bench_dir, plan_flush(filled, bench_dir, Selection(benchmarks=(OLD,))))
    consistent(filled, bench_dir)


def test_a_journal_that_is_no_journal_is_told(filled: Store, bench_dir: Path) -> None:
    (bench_dir / "flush.json").write_text(json.dumps({"runs": 3}))
    with pytest.raises(BenchError, match=r"flush\.json: not the journal of a flush"):
        unfinished(filled, bench_dir)


@pytest.fixture
def held(bench_dir: Path) -> Iterator[None]:
    with alone(bench_dir):
        yield


@pytest.mark.usefixtures("held")
def test_two_flushes_do_not_work_at_once(bench_dir: Path) -> None:
    with pytest.raises(BenchError, match="another flush is at work"), alone(bench_dir):
        pass


def test_the_file_of_sqlite_gives_space_back_when_asked(tmp_path: Path, bench_dir: Path) -> None:
    with Store.open(None, tmp_path) as store:
        fill(store, bench_dir)
        for number in range(60):
            store.save_report(make_report(run_id=f"run_{number}", benchmark_id=OLD, evidence="", title="x" * 5000))
        carry_out(store, bench_dir, plan_flush(store, bench_dir, ALL))
        assert reclaimable(store) > 100_000
        vacuum(store)
        assert reclaimable(store) == 0
