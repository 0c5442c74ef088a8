"""Host keys, proxy commands and facts of registered hosts, and who uses one at the moment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    schema = op.get_context().version_table_schema
    op.add_column("hosts", sa.Column("host_key", sa.Text), schema=schema)
    op.add_column("hosts", sa.Column("proxy_command", sa.Text), schema=schema)
    op.add_column("hosts", sa.Column("facts", sa.JSON().with_variant(JSONB(), "postgresql")), schema=schema)
    op.create_table(
        "host_leases",
        sa.Column("host_id", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("sandbox", sa.Text, nullable=False),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("machine", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.Text, nullable=False),
        sa.Column("world", sa.Text, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("host_id", name="pk_host_leases"),
        sa.ForeignKeyConstraint(
            ["host_id"],
            [f"{schema}.hosts.host_id" if schema else "hosts.host_id"],
            name="fk_host_leases_host_id",
            ondelete="CASCADE",
        ),
        schema=schema,
    )
