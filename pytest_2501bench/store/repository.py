"""The store: opening it, saving benchmarks and reports (once, however often they come), and asking for them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from pytest_2501bench.evidence.folder import read_benchmark, read_report
from pytest_2501bench.report.model import Benchmark, ScenarioReport
from pytest_2501bench.store.connect import connect
from pytest_2501bench.store.migrate import migrate
from pytest_2501bench.store.registry import Registry
from pytest_2501bench.store.rows import benchmark_row, phase_rows, report_row, rule_rows
from pytest_2501bench.store.schema import benchmarks, metadata, phase_durations, rule_results, scenario_reports
from pytest_2501bench.store.url import parse_url


class Store(Registry):
    """One results database. Several processes may use it at once, each with its own object."""

    @classmethod
    def open(cls, url: str | None, bench_dir: Path, source: str = "environment") -> Self:
        """Connect, and create or upgrade our tables.

        Args:
            url: value of ``DATABASE_URL``; None: ``results.db`` in *bench_dir*.
            bench_dir: the folder for results; made when it is needed.
            source: where *url* came from, for messages.

        Raises:
            BenchError: ``option_invalid``, ``database_unreachable`` or ``tool_missing``; one line, no password.
        """
        target = parse_url(url, bench_dir, source)
        engine = connect(target)
        try:
            migrate(engine, target)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, target)

    def close(self) -> None:
        """Close all connections; harmless when repeated."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def save_benchmark(self, benchmark: Benchmark) -> None:
        """Store *benchmark*, or replace what is stored of it. Raises ``database_lost``."""
        with self._transaction(writes=True) as connection:
            self._upsert(connection, benchmarks, benchmark_row(benchmark))

    def save_report(self, report: ScenarioReport) -> None:
        """Store *report* with its rules and phases, all or nothing; the same run again gives the same rows.

        Its benchmark must be stored already. Raises ``database_lost``.
        """
        with self._transaction(writes=True) as connection:
            # First, because it locks the run's row: two processes with the same run come one after the other.
            self._upsert(connection, scenario_reports, report_row(report))
            for table, rows in ((rule_results, rule_rows(report)), (phase_durations, phase_rows(report))):
                connection.execute(table.delete().where(table.c.run_id == report.run_id))
                if rows:
                    connection.execute(table.insert(), rows)

    def import_run(self, run_dir: Path) -> ScenarioReport:
        """Store the run of a folder that has a ``report.json``, with its benchmark if that is not stored yet.

        Raises:
            BenchError: ``evidence_missing`` (no readable report or benchmark) or ``database_lost``.
        """
        report = read_report(run_dir)
        if self.benchmark(report.benchmark_id) is None:
            self.save_benchmark(read_benchmark(run_dir.parent))
        self.save_report(report)
        return report

    def benchmark(self, benchmark_id: str) -> Benchmark | None:
        """Return the benchmark, or None."""
        query = sa.select(benchmarks.c.document).where(benchmarks.c.id == benchmark_id)
        with self._transaction(writes=False) as connection:
            document = connection.scalar(query)
        return None if document is None else Benchmark.model_validate(document)

    def benchmarks(self) -> tuple[Benchmark, ...]:
        """Return all benchmarks, oldest first."""
        query = sa.select(benchmarks.c.document).order_by(benchmarks.c.started_at, benchmarks.c.id)
        with self._transaction(writes=False) as connection:
            return tuple(Benchmark.model_validate(document) for document in connection.scalars(query))

    def report(self, run_id: str) -> ScenarioReport | None:
        """Return the report of one run, or None."""
        return next(iter(self._reports(scenario_reports.c.run_id == run_id)), None)

    def reports(
        self, *, benchmark_id: str | None = None, key: str | None = None, version_digest: str | None = None
    ) -> tuple[ScenarioReport, ...]:
        """Return the reports that have everything that is given, oldest first."""
        wanted = {"benchmark_id": benchmark_id, "key": key, "version_digest": version_digest}
        return self._reports(
            *(scenario_reports.c[name] == value for name, value in wanted.items() if value is not None)
        )

    def _reports(self, *conditions: sa.ColumnElement[bool]) -> tuple[ScenarioReport, ...]:
        table = scenario_reports
        query = sa.select(table.c.document).where(*conditions).order_by(table.c.started_at, table.c.run_id)
        with self._transaction(writes=False) as connection:
            return tuple(ScenarioReport.model_validate(document) for document in connection.scalars(query))

    def last_durations(self, *, mode: str | None = None) -> dict[str, float]:
        """Return seconds by scenario key: how long its latest scored run took. For scheduling the longest first."""
        table = scenario_reports
        scored = table.c.status != "error"  # a run that infrastructure ended early says nothing of the next one
        if mode is not None:
            scored &= table.c.mode == mode
        order = [table.c.started_at.desc(), table.c.run_id]
        place = sa.func.row_number().over(partition_by=table.c.key, order_by=order).label("place")
        ranked = sa.select(table.c.key, table.c.seconds, place).where(scored).subquery()
        query = sa.select(ranked.c.key, ranked.c.seconds).where(ranked.c.place == 1).order_by(ranked.c.key)
        with self._transaction(writes=False) as connection:
            return {str(row.key): float(row.seconds) for row in connection.execute(query)}

    def stored_runs(self, benchmark_ids: Iterable[str]) -> set[tuple[str, str]]:
        """Return (benchmark id, run folder) of every stored run of these benchmarks."""
        table = scenario_reports
        found: set[tuple[str, str]] = set()
        wanted = sorted(set(benchmark_ids))
        with self._transaction(writes=False) as connection:
            for start in range(0, len(wanted), 500):  # SQLite takes a limited number of parameters
                some = wanted[start : start + 500]
                query = sa.select(table.c.benchmark_id, table.c.evidence).where(table.c.benchmark_id.in_(some))
                found.update((str(row.benchmark_id), str(row.evidence)) for row in connection.execute(query))
        return found


def dump_rows(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Return all rows by table, ordered by key and without the times of insertion, for comparing two databases."""
    dump = {}
    with store._transaction(writes=False) as connection:
        for table in metadata.sorted_tables:
            columns = [column for column in table.c if column.name != "created_at"]
            rows = [dict(row) for row in connection.execute(sa.select(*columns)).mappings()]
            keys = [column.name for column in table.primary_key]
            # Sorted here: the order of text differs between the databases' collations.
            dump[table.name] = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    return dump
