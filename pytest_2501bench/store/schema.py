"""Tables, as SQLAlchemy Core metadata. Their history is in ``migrations/``; a test holds both equal."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect

SCHEMA = "bench2501"
"""Our own PostgreSQL schema: tables of others in the same database are never touched. SQLite has no schemas."""

VERSION_TABLE = "bench2501_version"


class Instant(sa.types.TypeDecorator[float]):
    """A moment: Unix seconds in Python, ``timestamptz`` in PostgreSQL, UTC text in SQLite, to the microsecond."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> datetime | None:
        """Turn Unix seconds into a datetime in UTC."""
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> float | None:
        """Turn a datetime into Unix seconds; SQLite's have lost their zone, which was UTC."""
        if value is None:
            return None
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


Document = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    },
)

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # ten_…
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

organizations = sa.Table(
    "organizations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # org_…
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("tenant_id", sa.Text, sa.ForeignKey(tenants.c.id)),
    sa.Column("created_at", Instant, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # usr_…
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("org_id", sa.Text, sa.ForeignKey(organizations.c.id)),
    sa.Column("created_at", Instant, nullable=False),
)

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("host_id", sa.Text, primary_key=True),  # hst_…
    sa.Column("host_name", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("template", sa.Text),
    sa.Column("address", sa.Text),  # how other hosts reach it
    sa.Column("ssh_address", sa.Text),
    sa.Column("ssh_port", sa.Integer, nullable=False),
    sa.Column("ssh_user", sa.Text, nullable=False),
    sa.Column("ssh_key_file", sa.Text),  # a path: the key itself never gets here
    sa.Column("known_hosts_file", sa.Text),
    sa.Column("python", sa.Text, nullable=False),
    sa.Column("org_id", sa.Text),
    sa.Column("quarantine", sa.Text),  # why the host must not be used until a restore succeeds
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("host_key", sa.Text),  # public host keys, one a line: what we may meet at the address
    sa.Column("proxy_command", sa.Text),
    sa.Column("facts", Document),  # what a look over SSH found last
    sa.Index(None, "host_name"),
)

host_leases = sa.Table(
    "host_leases",
    metadata,
    sa.Column("host_id", sa.Text, sa.ForeignKey(hosts.c.host_id, ondelete="CASCADE"), primary_key=True),
    sa.Column("token", sa.Text, nullable=False),  # of one lease: whoever has another one has lost it
    sa.Column("sandbox", sa.Text, nullable=False),
    sa.Column("user_name", sa.Text, nullable=False),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started", sa.Text, nullable=False),  # of the process: pids are reused
    sa.Column("world", sa.Text, nullable=False),  # in which the pid means something
    sa.Column("taken_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),  # by the database's clock, as taken_at
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("agent_id", sa.Text, primary_key=True),  # agt_…
    sa.Column("agent_name", sa.Text, nullable=False),
    sa.Column("host_id", sa.Text, sa.ForeignKey(hosts.c.host_id, ondelete="CASCADE"), nullable=False),
    sa.Column("specialty_key", sa.Text),
    sa.Column("main_engine", sa.Text),
    sa.Column("secondary_engine", sa.Text),
    sa.Column("org_id", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index(None, "host_id"),
)

benchmarks = sa.Table(
    "benchmarks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # bmk_…
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("user_name", sa.Text, nullable=False),  # not "user": in PostgreSQL that word is the database's user
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("gateway", sa.Text, nullable=False),
    sa.Column("agent", sa.Text),
    sa.Column("main_engine", sa.Text),
    sa.Column("secondary_engine", sa.Text),
    sa.Column("specialty", sa.Text),
    # No foreign keys: a run that is imported into another database must not be lost for want of a user there.
    sa.Column("org_id", sa.Text),
    sa.Column("tenant_id", sa.Text),
    sa.Column("user_id", sa.Text),
    sa.Column("settings", Document, nullable=False),
    sa.Column("versions", Document, nullable=False),
    sa.Column("git", Document, nullable=False),
    sa.Column("document", Document, nullable=False),  # all of it, exactly
    sa.Index(None, "started_at"),
)

scenario_reports = sa.Table(
    "scenario_reports",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),  # run_…
    sa.Column("benchmark_id", sa.Text, sa.ForeignKey(benchmarks.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("nodeid", sa.Text, nullable=False),
    sa.Column("iteration", sa.Integer, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("gateway", sa.Text, nullable=False),
    sa.Column("agent", sa.Text),
    sa.Column("main_engine", sa.Text),
    sa.Column("secondary_engine", sa.Text),
    sa.Column("specialty", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("task_validation", sa.Text, nullable=False),
    sa.Column("task_validation_cause", sa.Text),
    sa.Column("compliance", sa.Text, nullable=False),
    sa.Column("compliance_cause", sa.Text),
    sa.Column("compliance_score", sa.Double),  # 0..1
    sa.Column("failure_cause", sa.Text),
    sa.Column("failure_phase", sa.Text),
    sa.Column("failure_message", sa.Text, nullable=False),
    sa.Column("resolution_status", sa.Text),
    sa.Column("task_count", sa.Integer),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("cost_usd", sa.Double),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("tags", Document, nullable=False),
    sa.Column("version_key", Document, nullable=False),
    sa.Column("version_digest", sa.Text, nullable=False),  # of version_key: what may be compared has it in common
    sa.Column("evidence", sa.Text, nullable=False),  # the run's folder, relative to the bench directory
    sa.Column("document", Document, nullable=False),  # all of it, exactly
    sa.Index(None, "benchmark_id"),
    sa.Index(None, "key", "started_at"),
    sa.Index(None, "version_digest"),
)

rule_results = sa.Table(
    "rule_results",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey(scenario_reports.c.run_id, ondelete="CASCADE"), primary_key=True),
    sa.Column("gate", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),  # in the gate's list
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("rule_index", sa.Integer, nullable=False),  # in the scope's list
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("validator", sa.Text, nullable=False),
    sa.Column("required", sa.Boolean, nullable=False),
    sa.Column("negate", sa.Boolean, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("cause", sa.Text),
    sa.Column("span", Document),
    sa.Index(None, "label"),
)

phase_durations = sa.Table(
    "phase_durations",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey(scenario_reports.c.run_id, ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)

audit_protections = sa.Table(
    "audit_protections",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # prt_…
    sa.Column("run_id", sa.Text, nullable=False),  # no foreign key: what was protected and released outlives the run
    sa.Column("protected_by", sa.Text, nullable=False),
    sa.Column("protected_at", Instant, nullable=False),
    sa.Column("document_digest", sa.Text, nullable=False),  # sha256 of the audit document
    sa.Column("released_by", sa.Text),
    sa.Column("released_at", Instant),
    sa.Column("release_reason", sa.Text),
    sa.Index(None, "run_id"),
)
