#!/usr/bin/env python3
"""Makes a database of 100,000 runs (2,000,000 rule results), and times the queries behind reports, trend and compare.

    .venv/bin/python benchmarks/scale.py                          # SQLite and PostgreSQL, in a temporary folder
    .venv/bin/python benchmarks/scale.py --only sqlite --plans    # with the plan of every query
    .venv/bin/python benchmarks/scale.py --keep DIR --only sqlite # leaves DIR/results.db, for `2501bench serve`

Rows are made once per scenario, agent and outcome by the code that stores real runs, and then copied with ids and times
of their own. Runs have no evidence folder, so run pages show the report only.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.postgres import PostgresServer  # noqa: E402
from support.records import benchmark, phase, report, rule  # noqa: E402

from pytest_2501bench.analysis.outcomes import What  # noqa: E402
from pytest_2501bench.errors import Cause, Gate, Phase  # noqa: E402
from pytest_2501bench.report.model import Benchmark, ScenarioReport  # noqa: E402
from pytest_2501bench.scoring.model import GateResult, Status  # noqa: E402
from pytest_2501bench.store import schema  # noqa: E402
from pytest_2501bench.store.repository import Store  # noqa: E402
from pytest_2501bench.store.rows import Row, phase_rows, report_row, rule_rows  # noqa: E402

AGENTS = (("large", 0.92), ("medium", 0.85), ("small", 0.6), ("tiny", 0.35))
TAGS = ("nginx", "disk", "dns", "systemd", "postgresql", "certificates", "network", "cron")
DAY = 86_400.0
NEWEST = 1_764_000_000.0


@dataclass(frozen=True)
class Plan:
    """How many of what."""

    runs: int
    rules: int
    benchmarks: int
    scenarios: int

    @property
    def iterations(self) -> int:
        """Of a scenario with an agent in a benchmark."""
        return max(1, self.runs // (self.benchmarks * self.scenarios * len(AGENTS)))


def heads(plan: Plan) -> list[Benchmark]:
    """One benchmark a day."""
    found = []
    for number in range(plan.benchmarks):
        at = NEWEST - DAY * (plan.benchmarks - number)
        found.append(benchmark(f"bmk_{number:012d}", started_at=at, finished_at=at + 3 * 3600))
    return found


def example(plan: Plan, scenario: int, agent: str, outcome: str, version: int) -> ScenarioReport:
    """A run whose rules say what *outcome* says."""
    key = f"{TAGS[scenario % len(TAGS)]}/{scenario:03d}-incident"
    broken = {"way": 1, "lost": plan.rules}.get(outcome, 0)
    rules = []
    for number in range(plan.rules):
        red = number < broken
        status = Status.ERROR if outcome == "lost" else Status.FAILED if red else Status.PASSED
        cause = Cause.RULE_NOT_MET if status is Status.FAILED else None
        reason = f"no task matches rule {number}" if red else f"matched in task 1, command {number}"
        rules.append(rule(number, status, label=f"rule {number} of {key}", cause=cause, reason=reason))
    fix = {"fix": Status.FAILED, "lost": Status.ERROR}.get(outcome, Status.PASSED)
    way = {"way": Status.FAILED, "lost": Status.ERROR}.get(outcome, Status.PASSED)
    both = Status.FAILED if Status.FAILED in (fix, way) else fix
    lost = Cause.SSH_NOT_UP if outcome == "lost" else None
    cause = lost or {"fix": Cause.VALIDATE_FAILED, "way": Cause.RULE_NOT_MET}.get(outcome)
    names = (Phase.PROVISION, Phase.PREPARE, Phase.FLUSH, Phase.EXECUTE, Phase.VALIDATE, Phase.RESTORE)
    return report(
        "run_ID",
        key=key,
        title=f"Incident {scenario} of the {TAGS[scenario % len(TAGS)]} kind",
        tags=(TAGS[scenario % len(TAGS)], "linux"),
        agent="command",
        main_engine=agent,
        specialty="LINUX_EXPERT" if scenario % 2 else None,
        status=both,
        task_validation=GateResult(
            gate=Gate.TASK_VALIDATION, status=fix, reason="validate.yml", cause=None if fix is Status.PASSED else cause
        ),
        compliance=GateResult(
            gate=Gate.COMPLIANCE,
            status=way,
            reason="rules",
            cause=None if way is Status.PASSED else cause,
            rules=tuple(rules),
            score=1 - broken / plan.rules,
        ),
        phases=tuple(phase(name, 20.0 * number, 19.0) for number, name in enumerate(names)),
        failure_cause=lost,
        failure_message="the host does not answer SSH" if lost else "",
        version_key={
            "scenario": f"{scenario:08x}{version:08x}",
            "rules": f"{scenario:016x}",
            "template": "debian-base",
            "mode": "namespace",
            "agent": "command",
            "main_engine": agent,
        },
        evidence="",
    )


@dataclass
class Rows:
    """Of one kind of run: what is stored of it but ids and times."""

    report: Row
    rules: list[Row]
    phases: list[Row]
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = json.dumps(self.report["document"])


def made(plan: Plan) -> Iterator[tuple[Row, str, list[Row], list[Row]]]:
    """Yield for each run its row, its document, its rules and its phases."""
    chance = random.Random(2501)
    known: dict[tuple[int, str, str, int], Rows] = {}
    number = 0
    for position, head in enumerate(heads(plan)):
        version = position * 3 // plan.benchmarks  # every scenario was changed twice
        for scenario in range(plan.scenarios):
            for agent, rate in AGENTS:
                for iteration in range(1, plan.iterations + 1):
                    draw = chance.random()
                    good = rate - 0.002 * scenario
                    outcome = "lost" if draw < 0.01 else "ok" if draw < good else chance.choice(("fix", "way"))
                    kind = (scenario, agent, outcome, version)
                    if kind not in known:
                        one = example(plan, *kind)
                        known[kind] = Rows(report_row(one), rule_rows(one), phase_rows(one))
                    rows, run_id = known[kind], f"run_{number:012d}"
                    at = head.started_at + 100 * (number % 100)
                    new = {
                        "run_id": run_id,
                        "benchmark_id": head.id,
                        "iteration": iteration,
                        "nodeid": f"scenarios/{rows.report['key']}/scenario.json::run{iteration}@{agent}",
                        "started_at": at,
                        "finished_at": at + 60 + 90 * draw,
                    }
                    text = rows.text
                    for name, value in new.items():
                        # The last one: phases have times, too, and stand before the run's own.
                        was = f'"{name}": {json.dumps(rows.report["document"][name])}'
                        before, found, after = text.rpartition(was)
                        assert found, name
                        text = f'{before}"{name}": {json.dumps(value)}{after}'
                    number += 1
                    yield {**rows.report, **new, "seconds": 60 + 90 * draw}, text, rows.rules, rows.phases


def tables(plan: Plan) -> Iterator[tuple[str, Any]]:
    """Yield (table, its row) in an order that foreign keys allow."""
    for row, text, rules, phases in made(plan):
        yield "scenario_reports", {**row, "document": text, **{n: json.dumps(row[n]) for n in ("tags", "version_key")}}
        for each in rules:
            yield "rule_results", {**each, "run_id": row["run_id"], "span": json.dumps(each["span"])}
        for each in phases:
            yield "phase_durations", {**each, "run_id": row["run_id"]}


def fill(store: Store, plan: Plan) -> None:
    """Store everything: in one transaction in SQLite, with COPY in PostgreSQL."""
    for head in heads(plan):
        store.save_benchmark(head)
    columns = {
        name: [column.name for column in schema.metadata.tables[f"{schema.SCHEMA}.{name}"].columns]
        for name in ("scenario_reports", "rule_results", "phase_durations")
    }
    moments = {"started_at", "finished_at"}
    if store.target.postgresql:
        _copy(store, plan, columns, moments)
    else:
        _insert(store, plan, columns, moments)


def _insert(store: Store, plan: Plan, columns: dict[str, list[str]], moments: set[str]) -> None:
    database = sqlite3.connect(str(store.target.file), isolation_level=None)
    database.execute("BEGIN")
    statements = {
        name: f"INSERT INTO {name} ({', '.join(own)}) VALUES ({', '.join('?' * len(own))})"
        for name, own in columns.items()
    }
    held: dict[str, list[list[Any]]] = {name: [] for name in columns}

    def flush() -> None:
        for name, rows in held.items():
            database.executemany(statements[name], rows)
            rows.clear()

    for name, row in tables(plan):
        held[name].append([_text_moment(row[n]) if n in moments else row[n] for n in columns[name]])
        if len(held["rule_results"]) >= 20_000 and name == "phase_durations":
            flush()
    flush()
    database.execute("COMMIT")
    database.execute("ANALYZE")
    database.close()


def _text_moment(value: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _copy(store: Store, plan: Plan, columns: dict[str, list[str]], moments: set[str]) -> None:
    from datetime import UTC, datetime

    url = store.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, own in columns.items():
            names = ", ".join(f'"{name}"' for name in own)
            with cursor.copy(f"COPY {schema.SCHEMA}.{table} ({names}) FROM STDIN") as copy:  # type: ignore[arg-type]
                for name, row in tables(plan):
                    if name == table:
                        copy.write_row([datetime.fromtimestamp(row[n], UTC) if n in moments else row[n] for n in own])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


@dataclass
class Watched:
    """The queries of one operation."""

    engine: sa.Engine
    seen: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        sa.event.listen(self.engine, "before_cursor_execute", self._note)

    def _note(self, _c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            self.seen.append((statement, parameters))

    def take(self) -> list[tuple[str, Any]]:
        """Return the queries since the last time, each form once with how often it came."""
        seen, self.seen = self.seen, []
        return seen

    def explain(self, seen: list[tuple[str, Any]], plans: bool) -> None:
        """Run each form of query again, to its last row, and print its time and plan."""
        forms: dict[str, list[Any]] = {}
        for statement, parameters in seen:
            forms.setdefault(statement, []).append(parameters)
        for statement, often in forms.items():
            with self.engine.connect() as connection:
                start = time.perf_counter()
                rows = len(connection.exec_driver_sql(statement, often[0]).fetchall())
                seconds = time.perf_counter() - start
                words = " ".join(statement.split())
                print(f"    {seconds * 1000:8.0f} ms  {len(often):4d} x  {rows:7d} rows  {words[:110]}")
                if plans:
                    prefix = "EXPLAIN " if self.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
                    for line in connection.exec_driver_sql(prefix + statement, often[0]):
                        print(f"                  {line[-1]}")
            self.seen.clear()


def operations(store: Store, folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what a user waits for."""
    from starlette.testclient import TestClient

    from pytest_2501bench.analysis.sides import choose
    from pytest_2501bench.analysis.trend import trend
    from pytest_2501bench.store.aggregate import light_reports, run_rows
    from pytest_2501bench.webreport.live import create_app
    from pytest_2501bench.webreport.session_file import session_page
    from pytest_2501bench.webreport.site import write_site

    bench_dir, site = folder / "bench", folder / "site"
    bench_dir.mkdir(exist_ok=True)
    client = TestClient(create_app(store, bench_dir, ["testserver"]))

    def page(path: str) -> Callable[[], object]:
        def get() -> object:
            answer = client.get(path)
            assert answer.status_code == 200, answer.text[:300]
            return f"{len(answer.content) / 1000:.0f} kB"

        return get

    newest = store.benchmarks()[-1]
    run_id = run_rows(store, limit=1)[0].run_id
    yield "report, first time", lambda: f"{write_site(store, bench_dir, site).pages} pages"
    yield "report, again", lambda: f"{write_site(store, bench_dir, site).pages} pages"
    yield "report --runs 0", lambda: f"{write_site(store, bench_dir, folder / 'site0', most_runs=0).pages} pages"
    yield "serve, first page", page("/")
    yield "serve, same page again", page("/")
    yield "serve, a scenario", page("/scenarios/nginx+000-incident.html")
    yield "serve, a benchmark", page(f"/benchmarks/{newest.id}.html")
    yield "serve, a run", page(f"/runs/{run_id}.html")
    yield "serve, a comparison", page(f"/compare.html?a={newest.id},main-engine=small&b={newest.id},main-engine=tiny")
    yield "--bench-report", lambda: f"{len(session_page(store, bench_dir, newest)) / 1000:.0f} kB"

    yield "trend", lambda: f"{len(trend(light_reports(store), What.BOTH))} lines"
    yield "compare", lambda: f"{len(choose('last', store.benchmarks(), light_reports(store)))} runs"


def measure(kind: str, url: str | None, folder: Path, plan: Plan, *, plans: bool) -> None:
    """Fill one database and time everything."""
    with Store.open(url, folder) as store:
        start = time.perf_counter()
        if not store.benchmarks():
            fill(store, plan)
        print(f"{kind}: filled in {time.perf_counter() - start:.0f} s", flush=True)
        with store.engine.connect() as connection:
            for table in ("scenario_reports", "rule_results", "phase_durations"):
                found = schema.metadata.tables[f"{schema.SCHEMA}.{table}"]
                print(f"  {table}: {connection.scalar(sa.select(sa.func.count()).select_from(found)):,} rows")
        watched = Watched(store.engine)
        for name, act in operations(store, folder):
            watched.take()
            start = time.perf_counter()
            said = act()
            seconds = time.perf_counter() - start
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"  {name}: {seconds:.2f} s, {said} (peak memory {memory} MB)", flush=True)
            watched.explain(watched.take(), plans)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rules", type=int, default=20, help="per run")
    parser.add_argument("--benchmarks", type=int, default=125)
    parser.add_argument("--scenarios", type=int, default=50)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work here, and leave SQLite's database behind")
    parser.add_argument("--plans", action="store_true", help="show the plan of every query")
    args = parser.parse_args()
    plan = Plan(args.runs, args.rules, args.benchmarks, args.scenarios)
    with ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-scale-")))
        folder.mkdir(parents=True, exist_ok=True)
        if args.only != "postgresql":
            measure("SQLite", None, folder, plan, plans=args.plans)
        if args.only != "sqlite":
            server = stack.enter_context(PostgresServer())
            elsewhere = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-scale-")))
            measure("PostgreSQL", server.url(server.new_database()), elsewhere, plan, plans=args.plans)


if __name__ == "__main__":
    main()
