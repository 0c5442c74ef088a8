"""Opening a database so that several processes can share it, and telling its faults apart, in one line each."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.store.schema import SCHEMA
from pytest_2501bench.store.url import CONNECT_SECONDS, RIGHT, Target

BUSY_SECONDS = 30
"""How long a writer waits for another one."""


def connect(target: Target) -> sa.Engine:
    """Return an engine for *target*. Connects to nothing yet, but needs the driver.

    Raises:
        BenchError: ``tool_missing`` (no psycopg), ``option_invalid``.
    """
    try:
        return _postgresql(target) if target.postgresql else _sqlite(target)
    except ImportError as error:
        what = f"PostgreSQL needs psycopg, which cannot be imported ({_first_line(error)})."
        raise target.error(Cause.TOOL_MISSING, what, "pip install 'psycopg[binary]'") from error
    except (SQLAlchemyError, TypeError, ValueError) as error:
        raise target.error(Cause.OPTION_INVALID, "not usable as a database URL.", RIGHT) from error


def _postgresql(target: Target) -> sa.Engine:
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "pytest-2501bench",
        "keepalives_idle": 30,
        "tcp_user_timeout": 30_000,  # ms: a server behind a dead network must not hang the session
    }
    arguments = {name: value for name, value in arguments.items() if name not in target.url.query}
    return sa.create_engine(target.url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True)


def _sqlite(target: Target) -> sa.Engine:
    engine = sa.create_engine(target.url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)
    engine = engine.execution_options(schema_translate_map={SCHEMA: None})

    def on_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver's own transactions begin late and leave out DDL
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")  # with WAL; what a power cut takes, sync brings back

    def on_begin(connection: sa.Connection) -> None:
        # A transaction that reads first and then writes fails at once when another writer was quicker; one that
        # starts as a writer waits for its turn.
        writes = connection.get_execution_options().get("bench_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


@contextmanager
def transaction(engine: sa.Engine, *, writes: bool = False) -> Iterator[sa.Connection]:
    """Give a connection within one transaction: all or nothing."""
    with engine.connect().execution_options(bench_writes=writes) as connection, connection.begin():
        yield connection


@contextmanager
def opening(target: Target) -> Iterator[None]:
    """Turn whatever goes wrong while the database is opened into one line that says what to do."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(target, _reason(error), getattr(error.orig, "sqlstate", None)) from error
    except SQLAlchemyError as error:
        raise target.error(Cause.DATABASE_UNREACHABLE, _first_line(error)) from error


@contextmanager
def in_use(target: Target) -> Iterator[None]:
    """Turn a fault during the run into ``database_lost``; the evidence on disk stays, and a sync imports it later."""
    try:
        yield
    except DBAPIError as error:
        lost = error.connection_invalidated or isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError))
        if not lost:
            raise BenchError(Cause.HARNESS_BUG, f"{target.label}: {_reason(error)}") from error
        what = f"{target.label}: lost during the run: {_reason(error)}."
        remedy = "The evidence is on disk: `2501bench sync` imports it when the database is back."
        raise BenchError(Cause.DATABASE_LOST, what, remedy=remedy) from error
    except SQLAlchemyError as error:
        raise BenchError(Cause.HARNESS_BUG, f"{target.label}: {_first_line(error)}") from error


def _explain(target: Target, reason: str, sqlstate: str | None) -> BenchError:
    if not target.postgresql:
        return target.error(Cause.DATABASE_UNREACHABLE, f"{target.file}: {reason}.", _sqlite_remedy(reason))
    url = target.url
    where = f"{url.host or 'the local server'}, port {url.port or 5432}"
    if sqlstate == "42501" or "permission denied" in reason:
        what = f"{where}: {reason}."
        return target.error(
            Cause.DATABASE_UNREACHABLE, what, f'GRANT CREATE ON DATABASE "{url.database}" TO the user of the URL.'
        )
    remedy = f"Start the server, or correct the URL: {target.shown}"
    if "does not exist" in reason and f'database "{url.database}"' in reason:
        remedy = f'Create it: CREATE DATABASE "{url.database}"; or correct the URL.'
    elif re.search(r"authentication failed|no password supplied", reason):
        remedy = "Correct user and password in the URL."
    return target.error(Cause.DATABASE_UNREACHABLE, f"{where}: {reason}.", remedy)


def _sqlite_remedy(reason: str) -> str:
    if "not a database" in reason:
        return "Another kind of file has this name: choose another one."
    if "already exists" in reason:
        return "This file holds tables that are not ours: give results a file of their own."
    if "locked" in reason:
        return "Another process holds it; is one hanging?"
    return "Is its folder there, and may this user write in it?"


def _reason(error: DBAPIError) -> str:
    """Return the driver's reason in one line: no SQL, no parameters, no repetition for each address of a host."""
    text = str(error.orig).strip()
    # libpq: 'connection to server at "::1", port 5432 failed: FATAL:  …', then hints on lines of their own
    reasons = re.findall(r"(?:connection to server [^\n]*? failed: |FATAL:\s+)([^\n]+)", text)
    reason = reasons[-1] if reasons else text.splitlines()[0] if text else type(error.orig).__name__
    return re.sub(r"^(connection failed: |FATAL:\s+|ERROR:\s+)+", "", reason).rstrip(". ")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
