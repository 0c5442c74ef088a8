"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _instant() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _document() -> sa.types.TypeEngine[Any]:
    return sa.JSON().with_variant(JSONB(), "postgresql")


def _of(schema: str | None, column: str) -> str:
    return f"{schema}.{column}" if schema else column


def _part_of(schema: str | None, column: str, whole: str, name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [_of(schema, whole)], name=name, ondelete="CASCADE")


def upgrade() -> None:
    """Create all tables."""
    schema = op.get_context().version_table_schema
    op.create_table(
        "tenants",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", _instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
        schema=schema,
    )
    op.create_table(
        "organizations",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.Text),
        sa.Column("created_at", _instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.ForeignKeyConstraint(["tenant_id"], [_of(schema, "tenants.id")], name="fk_organizations_tenant_id"),
        schema=schema,
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text),
        sa.Column("created_at", _instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.ForeignKeyConstraint(["org_id"], [_of(schema, "organizations.id")], name="fk_users_org_id"),
        schema=schema,
    )
    op.create_table(
        "hosts",
        sa.Column("host_id", sa.Text, nullable=False),
        sa.Column("host_name", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("template", sa.Text),
        sa.Column("address", sa.Text),
        sa.Column("ssh_address", sa.Text),
        sa.Column("ssh_port", sa.Integer, nullable=False),
        sa.Column("ssh_user", sa.Text, nullable=False),
        sa.Column("ssh_key_file", sa.Text),
        sa.Column("known_hosts_file", sa.Text),
        sa.Column("python", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text),
        sa.Column("quarantine", sa.Text),
        sa.Column("created_at", _instant(), nullable=False),
        sa.PrimaryKeyConstraint("host_id", name="pk_hosts"),
        schema=schema,
    )
    op.create_index("ix_hosts_host_name", "hosts", ["host_name"], schema=schema)
    op.create_table(
        "agents",
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("agent_name", sa.Text, nullable=False),
        sa.Column("host_id", sa.Text, nullable=False),
        sa.Column("specialty_key", sa.Text),
        sa.Column("main_engine", sa.Text),
        sa.Column("secondary_engine", sa.Text),
        sa.Column("org_id", sa.Text),
        sa.Column("created_at", _instant(), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", name="pk_agents"),
        _part_of(schema, "host_id", "hosts.host_id", "fk_agents_host_id"),
        schema=schema,
    )
    op.create_index("ix_agents_host_id", "agents", ["host_id"], schema=schema)
    op.create_table(
        "benchmarks",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("started_at", _instant(), nullable=False),
        sa.Column("finished_at", _instant()),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("machine", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("gateway", sa.Text, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("main_engine", sa.Text),
        sa.Column("secondary_engine", sa.Text),
        sa.Column("specialty", sa.Text),
        sa.Column("org_id", sa.Text),
        sa.Column("tenant_id", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("settings", _document(), nullable=False),
        sa.Column("versions", _document(), nullable=False),
        sa.Column("git", _document(), nullable=False),
        sa.Column("document", _document(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_benchmarks"),
        schema=schema,
    )
    op.create_index("ix_benchmarks_started_at", "benchmarks", ["started_at"], schema=schema)
    op.create_table(
        "scenario_reports",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("benchmark_id", sa.Text, nullable=False),
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
        sa.Column("compliance_score", sa.Double),
        sa.Column("failure_cause", sa.Text),
        sa.Column("failure_phase", sa.Text),
        sa.Column("failure_message", sa.Text, nullable=False),
        sa.Column("resolution_status", sa.Text),
        sa.Column("task_count", sa.Integer),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cost_usd", sa.Double),
        sa.Column("started_at", _instant(), nullable=False),
        sa.Column("finished_at", _instant(), nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("tags", _document(), nullable=False),
        sa.Column("version_key", _document(), nullable=False),
        sa.Column("version_digest", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("document", _document(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_scenario_reports"),
        _part_of(schema, "benchmark_id", "benchmarks.id", "fk_scenario_reports_benchmark_id"),
        schema=schema,
    )
    op.create_index("ix_scenario_reports_benchmark_id", "scenario_reports", ["benchmark_id"], schema=schema)
    op.create_index("ix_scenario_reports_key_started_at", "scenario_reports", ["key", "started_at"], schema=schema)
    op.create_index("ix_scenario_reports_version_digest", "scenario_reports", ["version_digest"], schema=schema)
    op.create_table(
        "rule_results",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("gate", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("rule_index", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("validator", sa.Text, nullable=False),
        sa.Column("required", sa.Boolean, nullable=False),
        sa.Column("negate", sa.Boolean, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("cause", sa.Text),
        sa.Column("span", _document()),
        sa.PrimaryKeyConstraint("run_id", "gate", "position", name="pk_rule_results"),
        _part_of(schema, "run_id", "scenario_reports.run_id", "fk_rule_results_run_id"),
        schema=schema,
    )
    op.create_index("ix_rule_results_label", "rule_results", ["label"], schema=schema)
    op.create_table(
        "phase_durations",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("started_at", _instant(), nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_phase_durations"),
        _part_of(schema, "run_id", "scenario_reports.run_id", "fk_phase_durations_run_id"),
        schema=schema,
    )
