"""Who uses which registered host: one lease per host in the database, across processes, sessions and machines.

Expiry is judged by one clock only, the database's, in one transaction with the decision that follows. So the clocks of
the machines that share a PostgreSQL server may differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pytest_2501bench.evidence.model import Record
from pytest_2501bench.store.connect import in_use, transaction
from pytest_2501bench.store.registry import Registry
from pytest_2501bench.store.schema import host_leases


class Holder(Record):
    """Who takes leases: one process of one machine."""

    user_name: str
    machine: str
    pid: int
    started: str  # of the process, opaque: pids are reused
    world: str  # boot of the machine and pid namespace, in which the pid means something


class HostLease(Record):
    """One host's lease.

    Attributes:
        token: of this lease; renewed and released by it alone.
        sandbox: the sandbox that uses the host.
        seconds: how long it has been held.
        expired: not renewed in time.
    """

    host_id: str
    token: str
    sandbox: str
    holder: Holder
    seconds: float
    expired: bool


class Leases:
    """The leases in one database. Every method raises ``database_lost`` when the database does not answer."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        with in_use(self._registry.target), transaction(self._registry.engine, writes=writes) as connection:
            yield connection

    def _now(self, connection: sa.Connection) -> float:
        if not self._registry.target.postgresql:
            return time.time()  # a SQLite file has the clock of its machine
        return float(connection.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one())

    def take(
        self,
        host_id: str,
        token: str,
        sandbox: str,
        holder: Holder,
        *,
        seconds: float,
        gone: Callable[[HostLease], bool] = lambda lease: lease.expired,
    ) -> HostLease | None:
        """Take the lease of a host that is registered, for *seconds*.

        Args:
            host_id: the host.
            token: unique for this lease.
            sandbox: what the host is taken for.
            holder: this process.
            seconds: after which others may take it, unless it is renewed.
            gone: says of the present lease whether it may be taken over; by default when it is expired.

        Returns:
            None when it is taken, else the lease that stands in the way.
        """
        table = host_leases
        with self._transaction(writes=True) as connection:
            now = self._now(connection)
            row = {"host_id": host_id, "token": token, "sandbox": sandbox, **holder.model_dump()}
            row |= {"taken_at": now, "expires_at": now + seconds}
            insert = (postgresql.insert if self._registry.target.postgresql else sqlite.insert)(table)
            # RETURNING, because drivers do not agree on the number of rows of such an insert.
            added = insert.values(**row).on_conflict_do_nothing().returning(table.c.token)
            if connection.execute(added).scalar() is not None:
                return None
            query = sa.select(table).where(table.c.host_id == host_id).with_for_update()
            found = connection.execute(query).mappings().one_or_none()
            if found is None:  # released a moment ago; the next attempt gets it
                return HostLease(
                    host_id=host_id,
                    token="",
                    sandbox="",
                    holder=holder,
                    seconds=0,
                    expired=True,
                )
            lease = _lease(found, self._now(connection))
            if lease.token != token and not gone(lease):
                return lease
            connection.execute(table.update().where(table.c.host_id == host_id).values(**row))
            return None

    def renew(self, tokens: Collection[str], *, seconds: float) -> frozenset[str]:
        """Prolong leases; return the tokens that still hold: the others have been taken over or released."""
        table = host_leases
        with self._transaction(writes=True) as connection:
            mine = table.c.token.in_(list(tokens))
            connection.execute(table.update().where(mine).values(expires_at=self._now(connection) + seconds))
            return frozenset(connection.scalars(sa.select(table.c.token).where(mine)))

    def release(self, tokens: Collection[str]) -> None:
        """Give leases back; those that are gone already are no error."""
        with self._transaction(writes=True) as connection:
            connection.execute(host_leases.delete().where(host_leases.c.token.in_(list(tokens))))

    def release_sandbox(self, sandbox: str) -> None:
        """Give back whatever *sandbox* holds, whoever took it."""
        with self._transaction(writes=True) as connection:
            connection.execute(host_leases.delete().where(host_leases.c.sandbox == sandbox))

    def all(self) -> dict[str, HostLease]:
        """Return the leases by host id, expired ones too."""
        with self._transaction(writes=False) as connection:
            rows = list(connection.execute(sa.select(host_leases)).mappings())
            now = self._now(connection)
        return {row["host_id"]: _lease(row, now) for row in rows}


def _lease(row: sa.RowMapping, now: float) -> HostLease:
    return HostLease(
        host_id=row["host_id"],
        token=row["token"],
        sandbox=row["sandbox"],
        holder=Holder(**{name: row[name] for name in Holder.model_fields}),
        seconds=max(0.0, now - row["taken_at"]),
        expired=now > row["expires_at"],
    )
