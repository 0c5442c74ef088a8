"""Read stored results: rows with stable names, types and units, and pandas frames of them.

>>> from pytest_2501bench.results import load
>>> results = load(benchmark="last")  # doctest: +SKIP
>>> [run.key for run in results.runs() if run.status == "failed"]  # doctest: +SKIP
['nginx/001-broken-config']
>>> results.to_pandas("rules").groupby("label")["status"].value_counts()  # doctest: +SKIP

The columns of each table, their types and units are in ``docs/exports.md``, and in :data:`COLUMNS` for programs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_2501bench.tables.formats import Table

if TYPE_CHECKING:
    import pandas as pd

    from pytest_2501bench.store.selection import Selection
    from pytest_2501bench.tables.columns import Column
    from pytest_2501bench.tables.read import Reader
    from pytest_2501bench.tables.records import StoredBenchmark, StoredCommand, StoredPhase, StoredRule, StoredRun

_Words = str | Iterable[str] | None


@dataclass(frozen=True, slots=True)
class Results:
    """Stored results that :func:`load` chose. Each method asks the database anew, so a session's later runs appear.

    Every method raises :class:`~pytest_2501bench.errors.BenchError` when the database does not answer.
    """

    database: str | None
    bench_dir: Path
    selection: Selection

    def runs(self) -> list[StoredRun]:
        """Return the runs with both verdicts, oldest first."""
        with self._reader() as reader:
            return list(reader.runs())

    def rules(self) -> list[StoredRule]:
        """Return what became of every rule of every run."""
        with self._reader() as reader:
            return list(reader.rules())

    def commands(self) -> list[StoredCommand]:
        """Return the commands of all runs whose evidence is in the bench directory."""
        with self._reader() as reader:
            return list(reader.commands())

    def phases(self) -> list[StoredPhase]:
        """Return the phases of all runs with their times."""
        with self._reader() as reader:
            return list(reader.phases())

    def benchmarks(self) -> list[StoredBenchmark]:
        """Return the sessions."""
        with self._reader() as reader:
            return list(reader.benchmarks())

    def to_pandas(self, table: str = "runs") -> pd.DataFrame:
        """Return *table* as a frame, with the same columns and types also when it is empty.

        Args:
            table: runs, rules, commands, phases or benchmarks.

        Raises:
            BenchError: ``tool_missing`` (pandas), ``option_invalid`` (no such table), or as :meth:`runs`.
        """
        from pytest_2501bench.tables.frames import frame
        from pytest_2501bench.tables.records import TABLES

        wanted = _table(table)
        with self._reader() as reader:
            return frame(TABLES[wanted], reader.rows(wanted))

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        from pytest_2501bench.store.repository import Store
        from pytest_2501bench.store.selection import resolved
        from pytest_2501bench.tables.read import Reader

        with Store.open(self.database, self.bench_dir) as store:
            yield Reader(store, self.bench_dir, resolved(store, self.selection))


def load(
    database: str | None = None,
    *,
    bench_dir: str | Path | None = None,
    benchmark: _Words = None,
    scenario: _Words = None,
    tag: _Words = None,
    engine: _Words = None,
    specialty: _Words = None,
    status: _Words = None,
    since: str | float | datetime | timedelta | None = None,
) -> Results:
    """Return stored results; all conditions must hold, several values of one are alternatives.

    Args:
        database: a ``DATABASE_URL``. Default: that variable, else ``results.db`` in *bench_dir*.
        bench_dir: where evidence is kept. Default: ``BENCH_DIR``, else ``.2501bench`` here.
        benchmark: ``last``, ``last~1``, an id or its beginning.
        scenario: scenario keys.
        tag: tags of scenarios.
        engine: main or secondary engine.
        specialty: the specialty that was asked for.
        status: ``passed``, ``failed``, ``error``.
        since: runs that began then or later: a datetime (without zone: UTC), Unix seconds, an age (timedelta,
            ``7d``) or a date (``2026-11-24``).

    Raises:
        BenchError: no results are there, or a name is not known; one line.
    """
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.options import DATABASE_FILE
    from pytest_2501bench.scoring.model import Status
    from pytest_2501bench.store.selection import Selection

    url = database or os.environ.get("DATABASE_URL") or None
    folder = Path(bench_dir or os.environ.get("BENCH_DIR") or ".2501bench")
    if url is None and not (folder / DATABASE_FILE).is_file():  # opening would make an empty one
        what = f"{folder / DATABASE_FILE}: no results are here."
        raise BenchError(Cause.OPTION_INVALID, what, remedy="Name the bench directory, or set DATABASE_URL.")
    statuses = _tuple(status)
    for each in statuses:
        if each not in set(Status):
            raise BenchError(Cause.OPTION_INVALID, f"status '{each}': must be one of {', '.join(Status)}.")
    chosen = Selection(
        benchmarks=_tuple(benchmark),
        scenarios=_tuple(scenario),
        tags=_tuple(tag),
        engines=_tuple(engine),
        specialties=_tuple(specialty),
        statuses=statuses,
        since=_since(since),
    )
    results = Results(url, folder, chosen)
    with results._reader():  # a wrong name is told here, and not by the first question
        return results


def _tuple(words: _Words) -> tuple[str, ...]:
    return () if words is None else (words,) if isinstance(words, str) else tuple(words)


def _since(value: str | float | datetime | timedelta | None) -> float | None:
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.tables.moments import moment

    match value:
        case datetime():
            return moment(value.isoformat(), 0)
        case timedelta():
            return time.time() - value.total_seconds()
        case str():
            try:
                return moment(value, time.time())
            except ValueError as error:
                raise BenchError(Cause.OPTION_INVALID, f"since: {error}") from None
    return value


def _table(name: str) -> Table:
    try:
        return Table(name)
    except ValueError:
        from pytest_2501bench.errors import BenchError, Cause

        raise BenchError(Cause.OPTION_INVALID, f"table '{name}': must be one of {', '.join(Table)}.") from None


def __getattr__(name: str) -> Any:
    if name == "COLUMNS":  # computed on demand, so that importing this module costs nothing
        from pytest_2501bench.tables.columns import columns
        from pytest_2501bench.tables.records import TABLES

        return {table.value: columns(row) for table, row in TABLES.items()}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if TYPE_CHECKING:
    COLUMNS: dict[str, tuple[Column, ...]]
    """Table → its columns with kind, unit and meaning."""
