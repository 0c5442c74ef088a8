"""Which stored runs may be flushed, and what goes with them. Looks only; :mod:`.flush` removes."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from pytest_2501bench.evidence.folder import BENCHMARK_FILE, benchmark_dir
from pytest_2501bench.evidence.owner import OWNER_FILE, owner_alive
from pytest_2501bench.matrix import run_name_of
from pytest_2501bench.store.connect import in_use, transaction
from pytest_2501bench.store.flush_journal import Doomed, own_folder
from pytest_2501bench.store.protection import protected
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.schema import benchmarks, phase_durations, rule_results, scenario_reports
from pytest_2501bench.store.selection import Selection

ENGINES: Final = "engines"
"""In the bench directory: what local engines kept, a folder for each benchmark."""

ELSEWHERE_HOURS: Final = 24
"""How long a session of another machine that has not ended is taken for a living one."""

_T: Final = scenario_reports.c
_AT_ONCE: Final = 500  # SQLite takes a limited number of parameters


@dataclass(frozen=True, slots=True)
class Refused:
    """A run that was meant and stays: its id, ``nginx/001 run2``, and why."""

    run_id: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class FlushPlan:
    """What a flush would remove.

    Attributes:
        runs: that go.
        refused: that were meant and stay.
        benchmarks: ids of sessions of which nothing is left then; they go too.
        rules: rows of rule results that go with the runs.
        phases: rows of phases.
        files: of evidence.
        bytes: of those files.
        first: when the first of the runs began, Unix seconds; None without runs.
        last: when the last one began.
    """

    runs: tuple[Doomed, ...]
    refused: tuple[Refused, ...]
    benchmarks: tuple[str, ...]
    rules: int
    phases: int
    files: int
    bytes: int
    first: float | None
    last: float | None


def plan_flush(
    store: Store,
    bench_dir: Path,
    selection: Selection,
    *,
    kept: Collection[str] = (),
    missing_files: bool = False,
) -> FlushPlan:
    """Say what flushing *selection* (resolved) would remove. Changes nothing.

    A run stays when an audit protects it, its session still goes on, its hosts are kept, or its evidence is not here.

    Args:
        store: the database.
        bench_dir: where the evidence is.
        selection: which runs are meant.
        kept: names of the sandboxes that ``--keep-sandbox`` has left up.
        missing_files: runs whose evidence is not in the bench directory go all the same.

    Raises:
        BenchError: ``database_lost``.
    """
    found = _meant(store, selection)
    judge = _Judge(bench_dir, kept, missing_files=missing_files)
    audited = protected(store, (row["run_id"] for row in found))
    doomed: list[tuple[str, Doomed]] = []
    refused: list[Refused] = []
    moments: list[float] = []
    for row in found:
        why = "an audit protects it" if row["run_id"] in audited else judge.obstacle(row)
        if why:
            name = f"{row['key']} {run_name_of(row['nodeid'])}"
            refused.append(Refused(row["run_id"], name, why))
        else:
            doomed.append((row["benchmark_id"], Doomed(run_id=row["run_id"], folder=row["evidence"])))
            moments.append(row["started_at"])
    runs = tuple(run for _, run in doomed)
    empty = (*_emptied(store, bench_dir, doomed), *_empty(store, bench_dir, selection, judge))
    sizes = [_size(bench_dir / run.folder) for run in runs if run.folder]
    sizes += [_size(path) for benchmark_id in empty for path in _benchmark_places(bench_dir, benchmark_id)]
    return FlushPlan(
        runs=runs,
        refused=tuple(refused),
        benchmarks=empty,
        rules=_children(store, rule_results, runs),
        phases=_children(store, phase_durations, runs),
        files=sum(files for files, _ in sizes),
        bytes=sum(size for _, size in sizes),
        first=min(moments, default=None),
        last=max(moments, default=None),
    )


class _Judge:
    """Why a run must stay."""

    def __init__(self, bench_dir: Path, kept: Collection[str], *, missing_files: bool) -> None:
        self._bench_dir = bench_dir
        self._missing_files = missing_files
        self._machine = platform.node()
        self._now = time.time()
        self._kept = frozenset(kept)
        self._sessions: dict[str, str] = {}

    def obstacle(self, row: sa.RowMapping) -> str:
        """Return why the run stays, or ""."""
        if why := self.session(row["benchmark_id"], row["ended"], row["machine"], row["began"]):
            return why
        if row["kept"] and row["kept"] in self._kept:
            return f"its hosts are kept: 2501bench sandbox restore -n {row['kept']}"
        if not row["evidence"]:
            return ""
        folder = own_folder(self._bench_dir, row["benchmark_id"], row["evidence"])
        if folder is None:
            return f"'{row['evidence']}' is not the folder of a run of its benchmark"
        if not folder.is_dir():
            return "" if self._missing_files else f"its evidence is not in {self._bench_dir} (--missing-files)"
        if not os.access(folder, os.W_OK) or not os.access(folder.parent, os.W_OK):
            return f"this user may not remove {folder}"
        return ""

    def session(self, benchmark_id: str, ended: float | None, machine: str, began: float) -> str:
        """Return why a session must be left alone, or ""."""
        if benchmark_id not in self._sessions:
            why = ""
            if owner_alive(benchmark_dir(self._bench_dir, benchmark_id)):
                why = "its session still goes on"
            elif ended is None and machine != self._machine and self._now - began < ELSEWHERE_HOURS * 3600:
                why = f"its session may still go on, on {machine}"
            self._sessions[benchmark_id] = why
        return self._sessions[benchmark_id]


def _meant(store: Store, selection: Selection) -> list[sa.RowMapping]:
    query = (
        sa.select(
            *(_T.run_id, _T.benchmark_id, _T.key, _T.nodeid, _T.evidence, _T.started_at),
            _T.document["kept", "sandbox"].as_string().label("kept"),
            benchmarks.c.finished_at.label("ended"),
            benchmarks.c.started_at.label("began"),
            benchmarks.c.machine,
        )
        .join(benchmarks, benchmarks.c.id == _T.benchmark_id)
        .where(*selection.conditions(postgresql=store.target.postgresql))
        .order_by(_T.started_at, _T.run_id)
    )
    with in_use(store.target), transaction(store.engine) as connection:
        return list(connection.execute(query).mappings())


def portions(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield *items* in portions that a query takes."""
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _children(store: Store, table: sa.Table, runs: Sequence[Doomed]) -> int:
    count = 0
    with in_use(store.target), transaction(store.engine) as connection:
        for some in portions([run.run_id for run in runs]):
            query = sa.select(sa.func.count()).select_from(table).where(table.c.run_id.in_(some))
            count += int(connection.scalar(query) or 0)
    return count


def _emptied(store: Store, bench_dir: Path, doomed: Sequence[tuple[str, Doomed]]) -> list[str]:
    """Return the benchmarks that lose their last run."""
    going: dict[str, set[str]] = {}
    for benchmark_id, run in doomed:
        going.setdefault(benchmark_id, set()).add(run.folder.rpartition("/")[2])
    query = sa.select(_T.benchmark_id, sa.func.count().label("number")).group_by(_T.benchmark_id)
    with in_use(store.target), transaction(store.engine) as connection:
        stored = {row.benchmark_id: row.number for row in connection.execute(query)}
    counts = Counter(benchmark_id for benchmark_id, _ in doomed)
    return [
        benchmark_id
        for benchmark_id, folders in going.items()
        if stored[benchmark_id] == counts[benchmark_id]
        and not _other_files(benchmark_dir(bench_dir, benchmark_id), folders)
    ]


def _empty(store: Store, bench_dir: Path, selection: Selection, judge: _Judge) -> list[str]:
    """Return the benchmarks that are meant and have had no run all along."""
    if selection.of_runs:
        return []
    table = benchmarks.c
    query = sa.select(table.id, table.started_at, table.finished_at, table.machine)
    query = query.where(~sa.exists().where(_T.benchmark_id == table.id))
    if selection.benchmarks:
        query = query.where(table.id.in_(selection.benchmarks))
    if selection.before is not None:
        query = query.where(table.started_at < selection.before)
    with in_use(store.target), transaction(store.engine) as connection:
        found = list(connection.execute(query.order_by(table.started_at)))
    return [
        row.id
        for row in found
        if not judge.session(row.id, row.finished_at, row.machine, row.started_at)
        and not _other_files(benchmark_dir(bench_dir, row.id), ())
    ]


def _other_files(folder: Path, going: Collection[str]) -> bool:
    """Whether the folder has more than what goes: runs that are not in the database yet, or what we do not know."""
    try:
        names = {entry.name for entry in os.scandir(folder)}
    except FileNotFoundError:
        return False
    return any(not name.startswith(".") for name in names - set(going) - {BENCHMARK_FILE, OWNER_FILE})


def _benchmark_places(bench_dir: Path, benchmark_id: str) -> list[Path]:
    folder = benchmark_dir(bench_dir, benchmark_id)
    return [folder / BENCHMARK_FILE, folder / OWNER_FILE, bench_dir / ENGINES / benchmark_id]


def _size(path: Path) -> tuple[int, int]:
    """Return how many files there are at *path*, and their bytes."""
    if path.is_file():
        return 1, path.lstat().st_size
    files = size = 0
    for parent, _, names in os.walk(path):
        for name in names:
            files += 1
            size += (Path(parent) / name).lstat().st_size
    return files, size
