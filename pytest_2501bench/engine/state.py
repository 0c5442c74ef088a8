"""What the engine knows: frozen records behind a small repository, in memory.

The repository's methods are all that the rest of the engine uses, so another one (a database) can take its place.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from pytest_2501bench.engine.wire import AgentOut, HostOut, TicketIn, TicketStatus
from pytest_2501bench.evidence.model import JobRecord
from pytest_2501bench.sandbox.protocol import Host


@dataclass(frozen=True, slots=True)
class StoredHost:
    """A registered host. *fingerprint* tells a repeated registration from a different one."""

    host: Host
    fingerprint: str = field(repr=False)

    def answer(self) -> HostOut:
        """Return what a client may see of it."""
        ssh = self.host.ssh
        return HostOut(
            host_id=self.host.host_id,
            host_name=self.host.host_name,
            user=ssh.user,
            address=ssh.address,
            port=ssh.port,
        )


@dataclass(frozen=True, slots=True)
class StoredTicket:
    """A ticket and what was posted on it."""

    id: str
    submission: TicketIn
    status: TicketStatus = "new"
    comments: tuple[str, ...] = ()
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A ticket's job. *revision* grows with every change of status in it."""

    ticket_id: str
    revision: int
    record: JobRecord


class Repository(Protocol):
    """What the engine needs to keep. Each method is atomic; getters return None for what does not exist."""

    def put_host(self, host: StoredHost) -> None:
        """Add or replace a host."""
        ...

    def host(self, host_id: str) -> StoredHost | None:
        """Return a host."""
        ...

    def hosts(self) -> tuple[StoredHost, ...]:
        """Return all hosts in the order of their registration."""
        ...

    def remove_host(self, host_id: str) -> None:
        """Forget a host."""
        ...

    def put_agent(self, agent: AgentOut) -> None:
        """Add or replace an agent."""
        ...

    def agent(self, agent_id: str) -> AgentOut | None:
        """Return an agent."""
        ...

    def agents(self) -> tuple[AgentOut, ...]:
        """Return all agents in the order of their registration."""
        ...

    def remove_agent(self, agent_id: str) -> None:
        """Forget an agent; its tasks stay."""
        ...

    def put_ticket(self, ticket: StoredTicket) -> None:
        """Add or replace a ticket."""
        ...

    def ticket(self, ticket_id: str) -> StoredTicket | None:
        """Return a ticket."""
        ...

    def ticket_by_correlation(self, correlation_id: str) -> StoredTicket | None:
        """Return the ticket that was submitted with *correlation_id*."""
        ...

    def put_job(self, ticket_id: str, record: JobRecord) -> None:
        """Add or replace a ticket's job, and wake those who wait for it if a status changed."""
        ...

    def job(self, ticket_id: str) -> StoredJob | None:
        """Return a ticket's job."""
        ...

    def jobs(self) -> tuple[StoredJob, ...]:
        """Return all jobs, oldest first."""
        ...

    async def wait_for_job(self, ticket_id: str, seen: int | None, seconds: float) -> StoredJob | None:
        """Return the job once its revision is above *seen* or it is finished; else as it is after *seconds*."""
        ...


def _statuses(record: JobRecord) -> tuple[object, ...]:
    tasks = record.tasks or ()
    return record.status, record.finished, tuple((t.id, t.status, t.agent_id, t.host_id) for t in tasks)


class MemoryRepository:
    """Keeps everything in dictionaries; it is gone with the process. For one event loop."""

    def __init__(self) -> None:
        self._hosts: dict[str, StoredHost] = {}
        self._agents: dict[str, AgentOut] = {}
        self._tickets: dict[str, StoredTicket] = {}
        self._correlations: dict[str, str] = {}
        self._jobs: dict[str, StoredJob] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def put_host(self, host: StoredHost) -> None:
        """See :class:`Repository`."""
        self._hosts[host.host.host_id] = host

    def host(self, host_id: str) -> StoredHost | None:
        """See :class:`Repository`."""
        return self._hosts.get(host_id)

    def hosts(self) -> tuple[StoredHost, ...]:
        """See :class:`Repository`."""
        return tuple(self._hosts.values())

    def remove_host(self, host_id: str) -> None:
        """See :class:`Repository`."""
        self._hosts.pop(host_id, None)

    def put_agent(self, agent: AgentOut) -> None:
        """See :class:`Repository`."""
        self._agents[agent.agent_id] = agent

    def agent(self, agent_id: str) -> AgentOut | None:
        """See :class:`Repository`."""
        return self._agents.get(agent_id)

    def agents(self) -> tuple[AgentOut, ...]:
        """See :class:`Repository`."""
        return tuple(self._agents.values())

    def remove_agent(self, agent_id: str) -> None:
        """See :class:`Repository`."""
        self._agents.pop(agent_id, None)

    def put_ticket(self, ticket: StoredTicket) -> None:
        """See :class:`Repository`."""
        self._tickets[ticket.id] = ticket
        self._correlations.setdefault(ticket.submission.correlation_id, ticket.id)

    def ticket(self, ticket_id: str) -> StoredTicket | None:
        """See :class:`Repository`."""
        return self._tickets.get(ticket_id)

    def ticket_by_correlation(self, correlation_id: str) -> StoredTicket | None:
        """See :class:`Repository`."""
        ticket_id = self._correlations.get(correlation_id)
        return self._tickets.get(ticket_id) if ticket_id else None

    def put_job(self, ticket_id: str, record: JobRecord) -> None:
        """See :class:`Repository`."""
        old = self._jobs.get(ticket_id)
        if old is not None and _statuses(old.record) == _statuses(record):
            # Messages and commands come often; waking a client for each would make it poll without pause.
            self._jobs[ticket_id] = StoredJob(ticket_id, old.revision, record)
            return
        self._jobs[ticket_id] = StoredJob(ticket_id, old.revision + 1 if old else 1, record)
        self._changed.pop(ticket_id, asyncio.Event()).set()

    def job(self, ticket_id: str) -> StoredJob | None:
        """See :class:`Repository`."""
        return self._jobs.get(ticket_id)

    def jobs(self) -> tuple[StoredJob, ...]:
        """See :class:`Repository`."""
        return tuple(self._jobs.values())

    async def wait_for_job(self, ticket_id: str, seen: int | None, seconds: float) -> StoredJob | None:
        """See :class:`Repository`."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            job = self._jobs.get(ticket_id)
            if job is not None and (seen is None or job.revision > seen or job.record.finished):
                return job
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                return job
            changed = self._changed.setdefault(ticket_id, asyncio.Event())
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                return self._jobs.get(ticket_id)
