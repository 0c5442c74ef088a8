"""The engine's tables, as SQLAlchemy Core metadata, and their creation.

They stand in a PostgreSQL schema of their own, apart from the results, or in a SQLite file. Each row belongs to one
engine, so several may share a server. Texts of tickets and agents are stored as ASCII JSON, which any text column takes
(PostgreSQL's own JSON refuses U+0000).
"""

from __future__ import annotations

import sqlalchemy as sa

from pytest_2501bench.errors import Cause
from pytest_2501bench.store.connect import opening, transaction
from pytest_2501bench.store.url import Target

SCHEMA = "bench2501_engine"
VERSION = 1
"""Of the tables. There is no older one yet; the first change of a table brings the upgrade with it."""

_LOCK = 0x2501_E1_61  # any number that nobody else's advisory locks use

metadata = sa.MetaData(schema=SCHEMA)

version = sa.Table("version", metadata, sa.Column("version", sa.Integer, primary_key=True))


def _owned(name: str, key: str, *columns: sa.Column[object] | sa.Index) -> sa.Table:
    """Return a table whose rows are known by *key* within their engine, and keep the order of their making."""
    return sa.Table(
        name,
        metadata,
        sa.Column("engine", sa.Text, primary_key=True),
        sa.Column(key, sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        *columns,
    )


hosts = _owned(
    "hosts",
    "host_id",
    sa.Column("host_name", sa.Text, nullable=False),
    sa.Column("python", sa.Text, nullable=False),
    sa.Column("ssh_user", sa.Text, nullable=False),
    sa.Column("ssh_hostname", sa.Text, nullable=False),
    sa.Column("ssh_address", sa.Text, nullable=False),
    sa.Column("ssh_port", sa.Integer, nullable=False),
    sa.Column("ssh_proxy_command", sa.Text),
    sa.Column("fingerprint", sa.Text, nullable=False),  # the key itself is a file of the state directory
)
agents = _owned(
    "agents",
    "agent_id",
    sa.Column("host_id", sa.Text, nullable=False),
    sa.Column("specialty_key", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
memories = _owned(
    "memories",
    "agent_id",
    sa.Column("flushes", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
operational_rules = _owned("operational_rules", "rule_id", sa.Column("document", sa.Text, nullable=False))
specialties = _owned(
    "specialties",
    "specialty_key",
    sa.Column("investigate_only", sa.Boolean, nullable=False),
)
tickets = _owned(
    "tickets",
    "ticket_id",
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),  # Unix seconds
    sa.Column("submission", sa.Text, nullable=False),
    sa.Column("posted", sa.Text, nullable=False),  # comments and summary
    sa.Index("ix_tickets_correlation_id", "engine", "correlation_id", unique=True),
)
jobs = _owned(
    "jobs",
    "ticket_id",
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("resolution_status", sa.Text),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("document", sa.Text, nullable=False),  # all of it but the tasks
)
tasks = _owned(
    "tasks",
    "task_id",
    sa.Column("ticket_id", sa.Text, nullable=False),
    sa.Column("agent_id", sa.Text),
    sa.Column("host_id", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("cost_usd", sa.Double),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("ix_tasks_ticket_id", "engine", "ticket_id"),
    sa.Index("ix_tasks_agent_id", "engine", "agent_id"),
)


def create(database: sa.Engine, target: Target) -> None:
    """Make the tables if they are not there.

    Raises:
        BenchError: ``database_unreachable``: no server, no rights, or tables of another version.
    """
    with opening(target):
        if not target.postgresql:
            with database.connect() as connection:  # before the first transaction
                dbapi = connection.connection.driver_connection
                assert dbapi is not None
                dbapi.execute("PRAGMA journal_mode=WAL")
        with transaction(database, writes=True) as connection:
            if target.postgresql:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                if not sa.inspect(connection).has_schema(SCHEMA):
                    connection.execute(sa.schema.CreateSchema(SCHEMA))
            there = sa.inspect(connection).has_table("version", schema=SCHEMA if target.postgresql else None)
            if not there:
                metadata.create_all(connection, checkfirst=False)
                connection.execute(version.insert().values(version=VERSION))
                return
            found = connection.execute(sa.select(version.c.version)).scalar()
    if found != VERSION:
        what = f"the engine's tables are of version {found}; this version of the plugin knows version {VERSION}."
        raise target.error(Cause.DATABASE_UNREACHABLE, what, "Use the version that made them, or another database.")
