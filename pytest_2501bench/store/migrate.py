"""Bringing a database to the tables of :mod:`.schema`; safe when several processes do it at once."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from pytest_2501bench.errors import Cause
from pytest_2501bench.store.connect import BUSY_SECONDS, opening, transaction
from pytest_2501bench.store.schema import SCHEMA, VERSION_TABLE
from pytest_2501bench.store.url import Target

HEAD = "0003"
"""The newest revision. Written down, so that an up-to-date database needs no Alembic (0.2 s of imports)."""

_LOCK = 0x2501_BE_4C  # any number that nobody else's advisory locks use


def migrate(engine: sa.Engine, target: Target) -> None:
    """Create or upgrade our tables, in one transaction.

    Raises:
        BenchError: ``database_unreachable``: no server, no rights, not our file, or a newer version's tables.
    """
    with opening(target):
        if target.postgresql:
            with transaction(engine) as connection:
                current = _revision(connection)
            if current != HEAD:
                with transaction(engine, writes=True) as connection:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                    _upgrade(connection, target)
            return
        with _file_lock(target):
            with engine.connect() as connection:
                # Before the first transaction; only the owner of the lock may, as SQLite does not wait here.
                dbapi = connection.connection.driver_connection
                assert dbapi is not None
                if dbapi.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                    dbapi.execute("PRAGMA journal_mode=WAL")
            with transaction(engine, writes=True) as connection:
                _upgrade(connection, target)


def _upgrade(connection: sa.Connection, target: Target) -> None:
    current = _revision(connection)
    if current == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        what = f"its tables are of a newer version of this plugin (revision {current}, known up to {HEAD})."
        raise target.error(Cause.DATABASE_UNREACHABLE, what, "Upgrade: pip install --upgrade pytest-2501bench")
    if target.postgresql and not _has_schema(connection):  # asked first: IF NOT EXISTS needs the right to create, too
        connection.execute(sa.schema.CreateSchema(SCHEMA))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _has_schema(connection: sa.Connection) -> bool:
    return sa.inspect(connection).has_schema(SCHEMA)


def _revision(connection: sa.Connection) -> str | None:
    schema = SCHEMA if connection.dialect.name == "postgresql" else None
    if not sa.inspect(connection).has_table(VERSION_TABLE, schema=schema):
        return None
    versions = sa.table(VERSION_TABLE, sa.column("version_num", sa.Text), schema=schema)
    return connection.execute(sa.select(versions.c.version_num)).scalar()


@contextlib.contextmanager
def _file_lock(target: Target) -> Iterator[None]:
    """Let one process at a time open a SQLite file for the first time. The lock goes with its process."""
    path = target.file.with_name(target.file.name + ".lock")
    try:
        if target.source == "default":
            path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        what = f"{path.parent}: {error.strerror or error}."
        remedy = "Results need a folder that exists and that this user may write in."
        raise target.error(Cause.DATABASE_UNREACHABLE, what, remedy) from error
    with file:
        deadline = time.monotonic() + BUSY_SECONDS
        while not _locked(file.fileno()):
            if time.monotonic() > deadline:
                what = f"{target.file}: another process has been opening it for {BUSY_SECONDS} s."
                raise target.error(Cause.DATABASE_UNREACHABLE, what, "Is one hanging?")
            time.sleep(0.02)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
