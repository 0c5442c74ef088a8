"""Which runs an audit document vouches for: their rows and evidence must stay until somebody releases them.

Nothing is ever removed from the table: that a run was audited, and who released it, outlives the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pytest_2501bench.evidence.model import Record
from pytest_2501bench.ids import new_id
from pytest_2501bench.store.connect import in_use, transaction
from pytest_2501bench.store.schema import audit_protections

if TYPE_CHECKING:
    from pytest_2501bench.store.registry import Registry

_AT_ONCE = 500
"""SQLite takes a limited number of parameters."""


class Protection(Record):
    """One run that one document vouches for."""

    run_id: str
    by: str  # user@machine
    at: float  # Unix seconds
    document_digest: str  # sha256 of the document, 64 hex digits
    released_by: str | None = None
    released_at: float | None = None
    release_reason: str | None = None


def protect(store: Registry, run_ids: Iterable[str], by: str, at: float, document_digest: str) -> None:
    """Protect runs, for one document. A run may be protected for several; whether it is stored is not asked.

    Raises ``database_lost``.
    """
    rows = [
        {
            "id": new_id("prt"),
            "run_id": run_id,
            "protected_by": by,
            "protected_at": at,
            "document_digest": document_digest,
        }
        for run_id in dict.fromkeys(run_ids)
    ]
    if rows:
        with in_use(store.target), transaction(store.engine, writes=True) as connection:
            connection.execute(audit_protections.insert(), rows)


def protected(store: Registry, run_ids: Iterable[str]) -> dict[str, Protection]:
    """Return those of *run_ids* that are protected, each with its newest protection. Raises ``database_lost``."""
    return {each.run_id: each for each in _rows(store, run_ids) if each.released_at is None}


def history(store: Registry, run_ids: Iterable[str]) -> tuple[Protection, ...]:
    """Return all protections of runs, released ones too, oldest first. Raises ``database_lost``."""
    return tuple(_rows(store, run_ids))


def release(store: Registry, run_ids: Iterable[str], by: str, at: float, reason: str) -> tuple[str, ...]:
    """Lift every protection of runs; return those that had one. Raises ``database_lost``."""
    table = audit_protections
    found: list[str] = []
    with in_use(store.target), transaction(store.engine, writes=True) as connection:
        for some in _portions(run_ids):
            held = table.c.run_id.in_(some) & table.c.released_at.is_(None)
            rows = set(connection.scalars(sa.select(table.c.run_id).where(held)))
            found += [run_id for run_id in some if run_id in rows]
            connection.execute(table.update().where(held).values(released_by=by, released_at=at, release_reason=reason))
    return tuple(found)


def _portions(run_ids: Iterable[str]) -> Iterator[list[str]]:
    wanted = list(dict.fromkeys(run_ids))
    for start in range(0, len(wanted), _AT_ONCE):
        yield wanted[start : start + _AT_ONCE]


def _rows(store: Registry, run_ids: Iterable[str]) -> Iterator[Protection]:
    table = audit_protections
    with in_use(store.target), transaction(store.engine) as connection:
        for some in _portions(run_ids):
            query = sa.select(table).where(table.c.run_id.in_(some)).order_by(table.c.protected_at, table.c.id)
            for row in connection.execute(query).mappings():
                yield Protection(
                    run_id=row["run_id"],
                    by=row["protected_by"],
                    at=row["protected_at"],
                    document_digest=row["document_digest"],
                    released_by=row["released_by"],
                    released_at=row["released_at"],
                    release_reason=row["release_reason"],
                )
