"""The repository that outlives the engine: memory before a database, and one thread that writes.

Each batch that is written is a picture of one moment, in one transaction, so what is found after a crash is a state
that was. Nobody is answered, and no agent is put to work, before what led to it is in the database
(:meth:`DatabaseRepository.settle`). While the database is away, agents go on; requests wait, then get a 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from pytest_2501bench.engine import rows, tables
from pytest_2501bench.engine.memory import Kept, Kind, MemoryRepository
from pytest_2501bench.engine.state import NotDurableError, StoredJob, StoredTicket
from pytest_2501bench.engine.wire import FINISHED, AgentOut
from pytest_2501bench.engine.wire_rules import RuleOut, SpecialtyOut
from pytest_2501bench.store.connect import connect, opening, transaction
from pytest_2501bench.store.url import Target

log = logging.getLogger(__name__)

KEPT = 500
"""Finished tickets that stay in memory; older ones are read from the database when somebody asks."""

PAUSE = 0.1
"""Seconds for which messages and commands, which nobody waits for, are gathered."""

_RETRY = (0.1, 0.3, 1.0, 2.0)
_CLOSE_SECONDS = 5.0
_TABLE: dict[Kind, tuple[rows.Table, str]] = {
    "host": ("hosts", "host_id"),
    "agent": ("agents", "agent_id"),
    "memory": ("memories", "agent_id"),
    "rule": ("operational_rules", "rule_id"),
    "specialty": ("specialties", "specialty_key"),
}
_KEYS = dict(_TABLE.values()) | {"tickets": "ticket_id", "jobs": "ticket_id", "tasks": "task_id"}

T = TypeVar("T")
Batch = Mapping[tuple[Kind, str], Kept | None]


class DatabaseRepository(MemoryRepository):
    """See :class:`.state.Repository`. For one event loop, and one process at a time per *name*."""

    def __init__(self, target: Target, name: str, directory: Path) -> None:
        """Open the database and read what is needed of it; *directory* is where the hosts' keys are.

        Raises:
            BenchError: ``database_unreachable``, ``tool_missing``.
        """
        super().__init__()
        self._name = name
        self._dirty: dict[tuple[Kind, str], Kept | None] = {}
        self._marks = self._written = 0
        self._hurry = asyncio.Event()
        self._settled = asyncio.Event()  # replaced after every batch
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "engine-database")
        self._closed = False
        if not target.postgresql:
            with contextlib.suppress(OSError):  # told of by create(), in one line
                target.file.touch(mode=0o600)
        engine = connect(target)
        if not target.postgresql:
            engine = engine.execution_options(schema_translate_map={tables.SCHEMA: None})
        self._engine = engine
        try:
            tables.create(engine, target)
            with opening(target):
                self._load(directory)
        except BaseException:
            engine.dispose()
            self._thread.shutdown()
            raise

    # ---- reading --------------------------------------------------------------------------------------------------

    def _load(self, directory: Path) -> None:
        with transaction(self._engine) as connection:

            def mine(table: sa.Table) -> sa.Select[Any]:
                return sa.select(table).where(table.c.engine == self._name).order_by(table.c.position)

            def all_of(table: sa.Table) -> list[Mapping[str, Any]]:
                return [dict(row) for row in connection.execute(mine(table)).mappings()]

            for row in all_of(tables.hosts):
                self._hosts[row["host_id"]] = rows.host_from(row, directory)
            for row in all_of(tables.agents):
                self._agents[row["agent_id"]] = AgentOut.model_validate_json(row["document"])
            for row in all_of(tables.memories):
                self._memories[row["agent_id"]] = rows.memory_from(row)
            for row in all_of(tables.operational_rules):
                self._rules[row["rule_id"]] = RuleOut.model_validate_json(row["document"])
            for row in all_of(tables.specialties):
                self._specialties[row["specialty_key"]] = SpecialtyOut.model_validate(row)
            t, j = tables.tickets, tables.jobs
            known = sa.select(t.c.correlation_id, t.c.ticket_id).where(t.c.engine == self._name)
            for correlation_id, ticket_id in connection.execute(known.order_by(t.c.position)):
                self._correlations[correlation_id] = ticket_id
            over = sa.select(j.c.ticket_id).where(j.c.engine == self._name, j.c.status.in_(sorted(FINISHED)))
            open_ = mine(t).where(t.c.status.in_(["new", "in_progress"]), t.c.ticket_id.not_in(over))
            for row in [dict(row) for row in connection.execute(open_).mappings()]:
                self._tickets[row["ticket_id"]] = rows.ticket_from(row)
                job = self._read_job(connection, row["ticket_id"])
                if job is not None:
                    self._jobs[row["ticket_id"]] = job
            ends = [sa.select(sa.func.max(table.c.position)) for table in tables.metadata.sorted_tables
                    if "position" in table.c]  # fmt: skip
            self._marks = self._written = max(connection.execute(end).scalar() or 0 for end in ends)

    def _read_job(self, connection: sa.Connection, ticket_id: str) -> StoredJob | None:
        j, t = tables.jobs, tables.tasks
        job = sa.select(j).where(j.c.engine == self._name, j.c.ticket_id == ticket_id)
        row = connection.execute(job).mappings().first()
        if row is None:
            return None
        of_it = sa.select(t).where(t.c.engine == self._name, t.c.ticket_id == ticket_id).order_by(t.c.position)
        return rows.job_from(dict(row), [dict(task) for task in connection.execute(of_it).mappings()])

    def _read(self, ask: Callable[[sa.Connection], T]) -> T:
        try:
            with transaction(self._engine) as connection:
                return ask(connection)
        except SQLAlchemyError as error:
            raise NotDurableError("the engine's database does not answer") from error

    def ticket(self, ticket_id: str) -> StoredTicket | None:
        """See :class:`.state.Repository`."""
        there = super().ticket(ticket_id)
        if there is not None:
            return there
        t = tables.tickets
        wanted = sa.select(t).where(t.c.engine == self._name, t.c.ticket_id == ticket_id)
        row = self._read(lambda connection: connection.execute(wanted).mappings().first())
        return rows.ticket_from(dict(row)) if row else None

    def job(self, ticket_id: str) -> StoredJob | None:
        """See :class:`.state.Repository`."""
        there = super().job(ticket_id)
        if there is not None or ticket_id in self._tickets:
            return there
        return self._read(lambda connection: self._read_job(connection, ticket_id))

    def jobs_of(self, agent_id: str) -> tuple[StoredJob, ...]:
        """See :class:`.state.Repository`."""
        t, j = tables.tasks, tables.jobs
        both = t.join(j, (t.c.engine == j.c.engine) & (t.c.ticket_id == j.c.ticket_id))
        asked = sa.select(j.c.ticket_id).select_from(both)
        asked = asked.where(t.c.engine == self._name, t.c.agent_id == agent_id).order_by(j.c.position)
        before = self._read(lambda connection: list(connection.execute(asked).scalars()))
        known = dict.fromkeys((*before, *(job.ticket_id for job in super().jobs_of(agent_id))))
        return tuple(job for ticket_id in known if (job := self.job(ticket_id)))

    # ---- writing --------------------------------------------------------------------------------------------------

    def _keep(self, kind: Kind, key: str, record: Kept | None, *, hurry: bool = True) -> None:
        self._marks += 1
        self._dirty[kind, key] = record
        if hurry:
            self._hurry.set()
        if self._writer is None and not self._closed:
            self._writer = asyncio.get_running_loop().create_task(self._write_on(), name="engine-database")

    async def settle(self, seconds: float | None = None) -> None:
        """See :class:`.state.Repository`."""
        goal = self._marks
        try:
            async with asyncio.timeout(seconds):
                while self._written < goal:
                    self._hurry.set()
                    await self._settled.wait()
        except TimeoutError:
            raise NotDurableError("the engine's database does not answer") from None

    async def _write_on(self) -> None:
        """Write what is dirty until nothing is."""
        loop = asyncio.get_running_loop()
        pause, failures = PAUSE, 0
        try:
            while self._dirty:
                try:
                    async with asyncio.timeout(pause):
                        await self._hurry.wait()
                except TimeoutError:
                    pass
                self._hurry.clear()
                batch, self._dirty = self._dirty, {}
                goal, began = self._marks, time.monotonic()
                try:
                    await loop.run_in_executor(self._thread, self._write, batch, goal)
                except SQLAlchemyError as error:
                    self._dirty = batch | self._dirty
                    if not failures:
                        log.error("the engine's database does not take what it is given; trying on", exc_info=error)
                    await asyncio.sleep(_RETRY[min(failures, len(_RETRY) - 1)])
                    failures += 1
                    continue
                except asyncio.CancelledError:
                    self._dirty = batch | self._dirty  # to write it once more does no harm
                    raise
                if failures:
                    log.info("the engine's database takes what it is given again")
                # Long records with many messages must not keep the database busy all the time.
                pause, failures, self._written = max(PAUSE, 10 * (time.monotonic() - began)), 0, goal
                settled, self._settled = self._settled, asyncio.Event()
                settled.set()
                self._forget()
        finally:
            self._writer = None

    def _write(self, batch: Batch, position: int) -> None:
        new: dict[rows.Table, list[rows.Row]] = {}
        gone: list[sa.Delete] = []
        for number, ((kind, key), record) in enumerate(batch.items(), position - len(batch) + 1):
            if record is None:
                name, column = _TABLE[kind]
                table = tables.metadata.tables[f"{tables.SCHEMA}.{name}"]
                gone.append(sa.delete(table).where(table.c.engine == self._name, table.c[column] == key))
                continue
            for name, made in rows.rows_of(record).items():
                own: rows.Row = {"engine": self._name, "position": number}
                new.setdefault(name, []).extend(own | row for row in made)
        with transaction(self._engine, writes=True) as connection:
            for delete in gone:
                connection.execute(delete)
            for name, made in new.items():
                if made:
                    connection.execute(self._upsert(name), made)

    def _upsert(self, name: rows.Table) -> sa.Insert:
        table = tables.metadata.tables[f"{tables.SCHEMA}.{name}"]
        key = _KEYS[name]
        kind = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        insert = kind.insert(table)
        fixed = {"engine", "position", key}
        changed = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in fixed}
        upsert: sa.Insert = insert.on_conflict_do_update(index_elements=[table.c.engine, table.c[key]], set_=changed)
        return upsert

    def _forget(self) -> None:
        """Let finished tickets go from memory, the oldest first."""
        over = len(self._tickets) - KEPT
        if over <= 0:
            return
        finished = [i for i, job in self._jobs.items() if job.record.finished and i in self._tickets]
        for ticket_id in finished[:over]:
            if ("ticket", ticket_id) not in self._dirty and ("job", ticket_id) not in self._dirty:
                del self._tickets[ticket_id], self._jobs[ticket_id]

    def erase(self) -> None:
        """Remove all rows of this engine: its state shall not outlive it after all."""
        self._dirty = {}
        with transaction(self._engine, writes=True) as connection:
            for table in tables.metadata.sorted_tables:
                if "engine" in table.c:
                    connection.execute(sa.delete(table).where(table.c.engine == self._name))

    def close(self) -> None:
        """See :class:`.state.Repository`. To be called when the event loop has nothing to do any more."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            self._writer.cancel()
        self._thread.shutdown()  # a batch under way is finished first
        end = time.monotonic() + _CLOSE_SECONDS
        while self._dirty:
            try:
                self._write(self._dirty, self._marks)
                self._dirty = {}
            except SQLAlchemyError as error:
                if time.monotonic() > end:
                    log.error("the engine's database did not take the last changes", exc_info=error)
                    break
                time.sleep(_RETRY[0])
        self._engine.dispose()
