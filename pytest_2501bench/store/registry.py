"""Organizations, tenants, users, hosts and agents in the database."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.ids import new_id
from pytest_2501bench.store import schema
from pytest_2501bench.store.connect import in_use, transaction
from pytest_2501bench.store.model import Identity, RegisteredAgent, RegisteredHost
from pytest_2501bench.store.url import Target

_IDENTITIES = (
    ("ORG_ID", "organization", schema.organizations),
    ("TENANT_ID", "tenant", schema.tenants),
    ("USER_ID", "user", schema.users),
)


PATIENCE = 10.0
"""Seconds that :func:`~pytest_2501bench.store.patience.patiently` waits for a database that was there before."""


class Registry:
    """Who and what runs may refer to. Every method raises ``database_lost`` when the database does not answer."""

    def __init__(self, engine: sa.Engine, target: Target) -> None:
        self.engine = engine
        self.target = target
        self.patience = PATIENCE

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        with in_use(self.target), transaction(self.engine, writes=writes) as connection:
            yield connection

    def _insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        return postgresql.insert(table) if self.target.postgresql else sqlite.insert(table)

    def _upsert(self, connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> None:
        """Insert *row*, or replace the row with its primary key; of two processes the later one wins."""
        keys = [column.name for column in table.primary_key]
        insert = self._insert(table).values(**row)
        changed = {name: insert.excluded[name] for name in row if name not in {*keys, "created_at"}}
        connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed))

    def check_identity(
        self,
        org_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        *,
        sources: Mapping[str, str] | None = None,
    ) -> None:
        """Check that each identity that is set exists.

        Args:
            org_id: value of ``ORG_ID``; None or empty is not checked. Likewise the others.
            tenant_id: value of ``TENANT_ID``.
            user_id: value of ``USER_ID``.
            sources: where a variable came from, by its name; "environment" by default.

        Raises:
            BenchError: ``identity_unknown``, naming the variable and what there is instead.
        """
        for (variable, word, table), value in zip(_IDENTITIES, (org_id, tenant_id, user_id), strict=True):
            if not value:
                continue
            with self._transaction(writes=False) as connection:
                known = [str(row.id) for row in connection.execute(sa.select(table.c.id).order_by(table.c.created_at))]
            if value not in known:
                source = (sources or {}).get(variable, "environment")
                message = f"{variable} (from {source}): there is no {word} {value!r} in {self.target.shown}."
                raise BenchError(
                    Cause.IDENTITY_UNKNOWN, message, remedy=_instead(value, known, word), phase=Phase.PREFLIGHT
                )

    def add_tenant(self, name: str, *, tenant_id: str | None = None) -> Identity:
        """Add a tenant (a new id by default) and return it; an existing one gets the new name."""
        return self._add_identity(schema.tenants, Identity(id=tenant_id or new_id("ten"), name=name))

    def add_organization(self, name: str, *, org_id: str | None = None, tenant_id: str | None = None) -> Identity:
        """Add an organization in a tenant."""
        identity = Identity(id=org_id or new_id("org"), name=name, parent_id=tenant_id)
        return self._add_identity(schema.organizations, identity)

    def add_user(self, name: str, *, user_id: str | None = None, org_id: str | None = None) -> Identity:
        """Add a user of an organization."""
        return self._add_identity(schema.users, Identity(id=user_id or new_id("usr"), name=name, parent_id=org_id))

    def _add_identity(self, table: sa.Table, identity: Identity) -> Identity:
        row: dict[str, Any] = {"id": identity.id, "name": identity.name, "created_at": time.time()}
        with self._transaction(writes=True) as connection:
            for link in table.foreign_keys:  # one, or none for tenants
                row[link.parent.name] = identity.parent_id
                parent = link.column
                query = sa.select(parent).where(parent == identity.parent_id)
                if identity.parent_id is not None and connection.scalar(query) is None:
                    word = parent.table.name.removesuffix("s")
                    message = f"there is no {word} {identity.parent_id!r} in {self.target.shown}."
                    raise BenchError(Cause.IDENTITY_UNKNOWN, message)
            self._upsert(connection, table, row)
        return identity

    def identities(self) -> dict[str, tuple[Identity, ...]]:
        """Return what there is, by the word of its variable: ``ORG_ID``, ``TENANT_ID``, ``USER_ID``."""
        found = {}
        with self._transaction(writes=False) as connection:
            for variable, _, table in _IDENTITIES:
                rows = connection.execute(sa.select(table).order_by(table.c.created_at)).mappings()
                found[variable] = tuple(
                    Identity(id=row["id"], name=row["name"], parent_id=row.get("tenant_id") or row.get("org_id"))
                    for row in rows
                )
        return found

    def register_host(self, host: RegisteredHost) -> None:
        """Store *host*; one with its ``host_id`` is replaced."""
        with self._transaction(writes=True) as connection:
            self._upsert(connection, schema.hosts, host.model_dump() | {"created_at": time.time()})

    def enrol_host(self, host: RegisteredHost) -> None:
        """Store *host*; of one that is there, quarantine and facts are kept, and its agents and lease stay."""
        row = host.model_dump() | {"created_at": time.time()}
        insert = self._insert(schema.hosts).values(**row)
        kept = {"host_id", "created_at", "quarantine", "facts"}
        changed = {name: insert.excluded[name] for name in row if name not in kept}
        with self._transaction(writes=True) as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["host_id"], set_=changed))

    def note_facts(self, host_id: str, facts: Mapping[str, str | bool] | None) -> None:
        """Store what a look at a host found; one that is not registered is no error."""
        statement = schema.hosts.update().where(schema.hosts.c.host_id == host_id)
        with self._transaction(writes=True) as connection:
            connection.execute(statement.values(facts=None if facts is None else dict(facts)))

    def remove_host(self, host_id: str) -> bool:
        """Remove a host and its agents; return whether it was there."""
        return self._remove(schema.hosts.c.host_id, host_id)

    def host(self, host_id: str) -> RegisteredHost | None:
        """Return the host, or None."""
        return next(iter(self._hosts(schema.hosts.c.host_id == host_id)), None)

    def hosts(self, *, mode: str | None = None) -> tuple[RegisteredHost, ...]:
        """Return all hosts (of *mode*), oldest first."""
        return self._hosts(sa.true() if mode is None else schema.hosts.c.mode == mode)

    def quarantine_host(self, host_id: str, reason: str | None) -> bool:
        """Say why a host must not be used, or with None that it may be again; return whether there is such a host."""
        statement = schema.hosts.update().where(schema.hosts.c.host_id == host_id).values(quarantine=reason)
        with self._transaction(writes=True) as connection:
            return connection.execute(statement).rowcount > 0

    def register_agent(self, agent: RegisteredAgent) -> None:
        """Store *agent*; one with its ``agent_id`` is replaced.

        Raises:
            BenchError: ``identity_unknown`` when its host is not registered.
        """
        with self._transaction(writes=True) as connection:
            host_id = schema.hosts.c.host_id
            if not connection.scalar(sa.select(host_id).where(host_id == agent.host_id)):
                message = f"agent {agent.agent_id}: there is no host {agent.host_id!r} in {self.target.shown}."
                raise BenchError(Cause.IDENTITY_UNKNOWN, message)
            self._upsert(connection, schema.agents, agent.model_dump() | {"created_at": time.time()})

    def remove_agent(self, agent_id: str) -> bool:
        """Remove an agent; return whether it was there."""
        return self._remove(schema.agents.c.agent_id, agent_id)

    def agent(self, agent_id: str) -> RegisteredAgent | None:
        """Return the agent, or None."""
        return next(iter(self._agents(schema.agents.c.agent_id == agent_id)), None)

    def agents(self, *, host_id: str | None = None) -> tuple[RegisteredAgent, ...]:
        """Return all agents (of one host), oldest first."""
        return self._agents(sa.true() if host_id is None else schema.agents.c.host_id == host_id)

    def _hosts(self, which: sa.ColumnElement[bool]) -> tuple[RegisteredHost, ...]:
        return tuple(RegisteredHost(**row) for row in self._records(schema.hosts, which))

    def _agents(self, which: sa.ColumnElement[bool]) -> tuple[RegisteredAgent, ...]:
        return tuple(RegisteredAgent(**row) for row in self._records(schema.agents, which))

    def _records(self, table: sa.Table, which: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
        columns = [column for column in table.c if column.name != "created_at"]
        query = sa.select(*columns).where(which).order_by(table.c.created_at, *table.primary_key)
        with self._transaction(writes=False) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _remove(self, column: sa.Column[Any], value: str) -> bool:
        with self._transaction(writes=True) as connection:
            return connection.execute(column.table.delete().where(column == value)).rowcount > 0


def _instead(value: str, known: list[str], word: str) -> str:
    near = difflib.get_close_matches(value, known, n=3)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if known:
        return f"There are: {', '.join(known[:5])}{', …' if len(known) > 5 else '.'}"
    return f"No {word} is registered there yet; unset the variable or register one."
