"""Alembic's entry: runs the revisions on the connection (and within the transaction) that ``migrate`` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from pytest_2501bench.store.schema import SCHEMA, VERSION_TABLE, metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA if connection.dialect.name == "postgresql" else None,
)
context.run_migrations()
