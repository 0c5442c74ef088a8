"""Removing runs that a plan names: rows and evidence together, also when it is killed in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import benchmark_dir
from pytest_2501bench.store import unstored
from pytest_2501bench.store.connect import in_use, transaction
from pytest_2501bench.store.flush_journal import (
    Journal,
    forget_journal,
    own_folder,
    read_journal,
    remove_folder,
    write_journal,
)
from pytest_2501bench.store.flush_plan import ENGINES, FlushPlan, portions
from pytest_2501bench.store.protection import protected
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.schema import audit_protections, benchmarks, scenario_reports

AT_ONCE: Final = 200
"""Runs per transaction and journal."""


def carry_out(store: Store, bench_dir: Path, plan: FlushPlan) -> int:
    """Remove what *plan* says; return how many runs are gone. Hold :func:`~.flush_journal.alone` meanwhile.

    In parts, and of each part rows first, in one transaction, then evidence: a row never stands without its files. A
    journal says what is under way; after a crash :func:`finish` does the rest. A run that an audit has begun to protect
    since stays.

    Raises:
        BenchError: ``database_lost`` or ``evidence_not_written``; what was begun is finished by the next flush.
    """
    gone = 0
    for start in range(0, len(plan.runs), AT_ONCE):
        some = plan.runs[start : start + AT_ONCE]
        gone += _remove(store, bench_dir, Journal(database=place(store, bench_dir), runs=some))
    if plan.benchmarks:
        _remove(store, bench_dir, Journal(database=place(store, bench_dir), benchmarks=plan.benchmarks))
    return gone


def unfinished(store: Store, bench_dir: Path) -> Journal | None:
    """Return what a flush that was cut off has left to do, or None.

    Raises:
        BenchError: ``option_invalid``: it was of another database; ``evidence_missing``: its journal is unreadable.
    """
    journal = read_journal(bench_dir)
    if journal is not None and journal.database != place(store, bench_dir):
        raise BenchError(
            Cause.OPTION_INVALID,
            f"{bench_dir}: a flush of {journal.database} was cut off here, and this is {store.target.shown}.",
            remedy="Finish that one first, with its DATABASE_URL.",
        )
    return journal


def place(store: Store, bench_dir: Path) -> str:
    """Return which database *store* is, in words that stay the same when folders are named differently or moved."""
    if store.target.postgresql:
        return store.target.shown
    file = Path(store.target.url.database or "").resolve()
    return file.relative_to(bench_dir.resolve()).as_posix() if file.is_relative_to(bench_dir.resolve()) else str(file)


def finish(store: Store, bench_dir: Path, journal: Journal) -> int:
    """Do what a flush that was cut off had begun; return how many runs. Raises as :func:`carry_out`."""
    return _remove(store, bench_dir, journal)


def reclaimable(store: Store) -> int:
    """Return how many bytes of an SQLite file are free for new rows but not given back; 0 for PostgreSQL."""
    if store.target.postgresql:
        return 0
    with in_use(store.target), transaction(store.engine) as connection:
        pages, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("freelist_count", "page_size")
        )
    return int(pages or 0) * int(size or 0)


def vacuum(store: Store) -> None:
    """Give an SQLite file's free space back to the file system; waits for others. Raises ``database_lost``."""
    with in_use(store.target):
        connection = store.engine.raw_connection()  # VACUUM cannot run within a transaction
        try:
            connection.cursor().execute("VACUUM")
        finally:
            connection.close()


def _remove(store: Store, bench_dir: Path, journal: Journal) -> int:
    """Remove what *journal* says, unless something keeps it by now; return how many runs."""
    removed = []
    with in_use(store.target), transaction(store.engine, writes=True) as connection:
        if store.target.postgresql:  # in SQLite, who writes is alone
            connection.exec_driver_sql(f"LOCK TABLE {audit_protections.fullname} IN SHARE MODE")
        audited = protected(store, (run.run_id for run in journal.runs))
        runs = tuple(run for run in journal.runs if run.run_id not in audited)
        write_journal(bench_dir, journal.model_copy(update={"runs": runs}))
        for some in portions([run.run_id for run in runs]):
            connection.execute(scenario_reports.delete().where(scenario_reports.c.run_id.in_(some)))
        unused = ~sa.exists().where(scenario_reports.c.benchmark_id == benchmarks.c.id)
        for benchmark_id in journal.benchmarks:
            connection.execute(benchmarks.delete().where(benchmarks.c.id == benchmark_id, unused))
            if connection.scalar(sa.select(benchmarks.c.id).where(benchmarks.c.id == benchmark_id)) is None:
                removed.append(benchmark_id)
    for run in runs:
        if run.folder and (folder := own_folder(bench_dir, run.folder.split("/")[1], run.folder)):
            remove_folder(folder)
    for benchmark_id in removed:
        remove_folder(benchmark_dir(bench_dir, benchmark_id))
        remove_folder(bench_dir / ENGINES / benchmark_id)
        unstored.clear(bench_dir, benchmark_id)
    forget_journal(bench_dir)
    return len(runs)
