"""The rows of each table, one at a time: from the database, and commands from the runs' evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.read import read_evidence
from pytest_2501bench.matrix import variant_of
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.store.connect import in_use, transaction
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.rows import storable
from pytest_2501bench.store.schema import benchmarks, phase_durations, rule_results, scenario_reports
from pytest_2501bench.store.selection import Selection
from pytest_2501bench.tables.formats import Table
from pytest_2501bench.tables.moments import utc
from pytest_2501bench.tables.records import Row, StoredBenchmark, StoredCommand, StoredPhase, StoredRule, StoredRun

_AT_ONCE: Final = 1000
_T: Final = scenario_reports.c
_RUN: Final = (_T.benchmark_id, _T.run_id, _T.key, _T.iteration, _T.nodeid)
_ORDER: Final = (_T.started_at, _T.run_id)


@dataclass(slots=True)
class Reader:
    """Reads what *selection* (resolved) means.

    Attributes:
        store: the database.
        bench_dir: where the evidence is; only commands need it.
        selection: which runs.
        without_evidence: runs whose commands could not be read, with why; filled while commands are read.
    """

    store: Store
    bench_dir: Path
    selection: Selection
    without_evidence: dict[str, str] = field(default_factory=dict)

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield the rows of *table*, in the order of time. Raises ``database_lost``."""
        read: Mapping[Table, Callable[[], Iterator[Row]]] = {
            Table.RUNS: self.runs,
            Table.RULES: self.rules,
            Table.COMMANDS: self.commands,
            Table.PHASES: self.phases,
            Table.BENCHMARKS: self.benchmarks,
        }
        return read[table]()

    def runs(self) -> Iterator[StoredRun]:
        """Yield runs, oldest first."""
        named = {each.name for each in fields(StoredRun)} - {"variant", "commit"}
        commit = benchmarks.c.git["commit"].as_string().label("commit")
        query = sa.select(*(_T[name] for name in sorted(named)), commit)
        query = query.join(benchmarks, benchmarks.c.id == _T.benchmark_id)
        for row in self._ask(query.order_by(*_ORDER)):
            values = dict(row)
            values["tags"] = tuple(values["tags"])
            values["failure_message"] = values["failure_message"] or None
            values |= {name: utc(values[name]) for name in ("started_at", "finished_at")}
            yield StoredRun(variant=variant_of(values["nodeid"]) or None, **values)

    def rules(self) -> Iterator[StoredRule]:
        """Yield what became of each rule, in the order of runs, gates and positions."""
        own = [column for column in rule_results.c if column.name != "run_id"]
        query = sa.select(*_RUN, _T.started_at, *own).join(rule_results, rule_results.c.run_id == _T.run_id)
        # "task_validation" before "compliance", as everywhere
        order = (*_ORDER, rule_results.c.gate.desc(), rule_results.c.position)
        for row in self._ask(query.order_by(*order)):
            values = _with_variant(row)
            span = values.pop("span") or {}
            values["started_at"] = utc(values["started_at"])
            yield StoredRule(span_source=span.get("source"), span_text=span.get("text"), **values)

    def phases(self) -> Iterator[StoredPhase]:
        """Yield the phases of runs."""
        own = [column for column in phase_durations.c if column.name != "run_id"]
        query = sa.select(*_RUN, *own).join(phase_durations, phase_durations.c.run_id == _T.run_id)
        for row in self._ask(query.order_by(*_ORDER, phase_durations.c.position)):
            values = _with_variant(row)
            values["message"] = values["message"] or None
            yield StoredPhase(**values | {"started_at": utc(values["started_at"])})

    def commands(self) -> Iterator[StoredCommand]:
        """Yield the commands of runs whose evidence can be read; the others are in :attr:`without_evidence`."""
        for row in self._ask(sa.select(*_RUN, _T.evidence).order_by(*_ORDER)):
            values = _with_variant(row)
            folder = self.bench_dir / values.pop("evidence")
            try:
                job = read_evidence(folder).job
            except BenchError as error:
                self.without_evidence[values["run_id"]] = error.message
                continue
            for task in (job.tasks if job else None) or ():
                about: dict[str, Any] = {"task_id": task.id, "agent_id": task.agent_id, "agent_name": task.agent_name}
                for position, each in enumerate(task.executed_commands or ()):
                    yield StoredCommand(
                        **values,
                        **about,
                        host_name=each.host or task.host_name,
                        position=position,
                        command=storable(each.command),
                        exit_status=each.exit_status,
                        started_at=None if each.started_at is None else utc(each.started_at),
                        seconds=each.duration,
                        recorded=each.seen is not None if task.recorded is None else task.recorded,
                        kind=each.seen.kind.value if each.seen else None,
                        session=each.seen.session if each.seen else None,
                    )

    def benchmarks(self) -> Iterator[StoredBenchmark]:
        """Yield the sessions that have a run that is meant; without conditions on runs also those that have none."""
        table = benchmarks.c
        chosen = self.selection
        # All of git and not its parts: a Boolean within it reads differently from each database.
        query = sa.select(*(column for column in table if column.name != "document"))
        if chosen.of_runs or chosen.before is not None:
            query = query.where(table.id.in_(sa.select(_T.benchmark_id).where(*self._conditions())))
        elif chosen.benchmarks:
            query = query.where(table.id.in_(chosen.benchmarks))
        if chosen.since is not None and not chosen.of_runs:
            query = query.where(table.started_at >= chosen.since)
        names = {each.name for each in fields(StoredBenchmark)}
        for row in self._stream(query.order_by(table.started_at, table.id)):
            values = dict(row)
            git = values.pop("git")
            ended = values["finished_at"]
            values |= {
                "benchmark_id": values.pop("id"),
                "user": values.pop("user_name"),
                "started_at": utc(values["started_at"]),
                "finished_at": None if ended is None else utc(ended),
                **{name: git.get(name) for name in ("commit", "branch", "dirty")},
            }
            yield StoredBenchmark(**{name: value for name, value in values.items() if name in names})

    def reports(self) -> Iterator[ScenarioReport]:
        """Yield whole reports, those of one benchmark together, benchmarks oldest first."""
        query = sa.select(_T.document).join(benchmarks, benchmarks.c.id == _T.benchmark_id)
        for row in self._ask(query.order_by(benchmarks.c.started_at, benchmarks.c.id, *_ORDER)):
            yield ScenarioReport.model_validate(row["document"])

    def _conditions(self) -> list[sa.ColumnElement[bool]]:
        return self.selection.conditions(postgresql=self.store.target.postgresql)

    def _ask(self, query: sa.Select[Any]) -> Iterator[sa.RowMapping]:
        return self._stream(query.where(*self._conditions()))

    def _stream(self, query: sa.Select[Any]) -> Iterator[sa.RowMapping]:
        with in_use(self.store.target), transaction(self.store.engine) as connection:
            yield from connection.execution_options(yield_per=_AT_ONCE).execute(query).mappings()


def _with_variant(row: sa.RowMapping) -> dict[str, Any]:
    values = dict(row)
    values["variant"] = variant_of(values.pop("nodeid")) or None
    return values
