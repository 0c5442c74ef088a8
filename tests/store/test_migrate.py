"""The tables come from the migrations, whoever comes first, and nobody else's are touched."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.schema import BLANK_SCHEMA
from support.processes import python, results
from support.records import benchmark, report

from pytest_2501bench.errors import BenchError
from pytest_2501bench.store import migrate, schema
from pytest_2501bench.store.repository import Store


@pytest.fixture
def translated(store: Store) -> Iterator[tuple[sa.Connection, sa.MetaData, str | None]]:
    """A connection, our metadata as that database has it, and the schema."""
    if store.target.postgresql:
        with store.engine.connect() as connection:
            yield connection, schema.metadata, schema.SCHEMA
        return
    plain = sa.MetaData(naming_convention=schema.metadata.naming_convention)
    for table in schema.metadata.sorted_tables:
        # SQLAlchemy takes both, and its annotations know neither.
        table.to_metadata(plain, schema=None, referred_schema_fn=lambda *_: BLANK_SCHEMA)  # type: ignore[arg-type]
    with store.engine.connect() as connection:
        yield connection, plain, None


def test_upgraded_from_nothing_the_tables_are_those_of_the_metadata(
    translated: tuple[sa.Connection, sa.MetaData, str | None],
) -> None:
    connection, metadata, name = translated

    def ours(found: str | None, kind: str, _parents: Any) -> bool:
        return kind != "schema" or found == name

    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": name is not None,
            "include_name": ours,
            "compare_type": True,
            "version_table": schema.VERSION_TABLE,
            "version_table_schema": name,
        },
    )
    assert compare_metadata(context, metadata) == []


def test_a_difference_would_be_noticed(translated: tuple[sa.Connection, sa.MetaData, str | None]) -> None:
    connection, metadata, name = translated
    prefix = f"{name}." if name else ""
    connection.exec_driver_sql(f"DROP INDEX {prefix}ix_rule_results_label")
    opts = {"include_schemas": name is not None, "version_table": schema.VERSION_TABLE, "version_table_schema": name}
    assert compare_metadata(MigrationContext.configure(connection, opts=opts), metadata) != []


def test_the_head_that_is_written_down_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


def test_several_processes_may_come_first(database_url: str, tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from support.records import benchmark
        from pytest_2501bench.store.repository import Store
        import alembic.command
        print("ready", flush=True)
        sys.stdin.readline()
        with Store.open(sys.argv[1], Path(sys.argv[2])) as store:
            store.save_benchmark(benchmark(sys.argv[3]))
    """
    processes = [python(code, database_url, str(tmp_path), f"bmk_{number}") for number in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results(processes)
    with Store.open(database_url, tmp_path) as store:
        assert sorted(one.id for one in store.benchmarks()) == ["bmk_0", "bmk_1", "bmk_2", "bmk_3"]


def test_a_process_that_hangs_while_it_opens_the_file_is_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "BUSY_SECONDS", 0.2)
    with (tmp_path / "results.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BenchError, match=r"another process has been opening it for 0\.2 s\. Is one hanging\?"):
            Store.open(None, tmp_path)
    Store.open(None, tmp_path).close()


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    Store.open(None, tmp_path).close()

    def tables() -> list[Any]:
        with closing(sqlite3.connect(tmp_path / "results.db")) as connection:
            return connection.execute("SELECT * FROM sqlite_master ORDER BY name").fetchall()

    before = tables()
    Store.open(None, tmp_path).close()
    assert tables() == before


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection:
        connection.execute("CREATE TABLE phase_durations (x)")  # the last one that we make
    with pytest.raises(Exception, match="already exists"):
        Store.open(None, tmp_path)
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("phase_durations",)]


CATALOG = """
    SELECT n.nspname, c.relname, c.relkind::text, c.relfilenode, c.reltuples
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', 'bench2501') ORDER BY 1, 2
"""


@pytest.mark.postgres
def test_tables_of_others_in_the_same_postgresql_database_are_untouched(postgres_url: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for name in (
            "public.hosts",
            "public.users",
            "public.scenario_reports",
            "runner.agents",
            "public.alembic_version",
        ):
            connection.execute(b"CREATE SCHEMA IF NOT EXISTS runner")
            connection.execute(f"CREATE TABLE {name} (id text PRIMARY KEY, word text)".encode())
            connection.execute(f"INSERT INTO {name} VALUES ('1', 'theirs')".encode())
        before = connection.execute(CATALOG.encode()).fetchall()
        with Store.open(postgres_url, tmp_path) as store:
            store.save_benchmark(benchmark())
            store.save_report(report())
        assert connection.execute(CATALOG.encode()).fetchall() == before
        for name in ("public.hosts", "public.users", "public.scenario_reports", "runner.agents"):
            assert connection.execute(f"SELECT * FROM {name}".encode()).fetchall() == [("1", "theirs")]
        schemas = connection.execute(b"SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'").fetchall()
        assert {row[0] for row in schemas} == {"public", "runner", "information_schema", "bench2501"}


def test_the_migrations_are_part_of_the_package() -> None:
    folder = Path(migrate.__file__).with_name("migrations")
    assert (folder / "env.py").is_file()
    assert sorted(path.name for path in (folder / "versions").glob("r*.py")) == [
        "r0001_first_tables.py",
        "r0002_host_leases.py",
        "r0003_audit_protections.py",
    ]
