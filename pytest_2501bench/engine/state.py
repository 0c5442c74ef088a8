"""What the engine knows: frozen records behind a small repository.

The repository's methods are all that the rest of the engine uses: :mod:`.memory` keeps everything in dictionaries,
:mod:`.database` in tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from pytest_2501bench.engine.wire import AgentOut, HostOut, TicketIn, TicketStatus
from pytest_2501bench.engine.wire_rules import RuleOut, SpecialtyOut
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
    created_at: float = 0.0  # Unix seconds
    comment_ids: tuple[tuple[str, int], ...] = ()  # id that a client gave a comment → its place among the comments

    def comment(self, comment_id: str | None) -> str | None:
        """Return the comment that was posted with *comment_id*, or None."""
        place = dict(self.comment_ids).get(comment_id or "")
        return None if place is None else self.comments[place]

    def commented(self, text: str, comment_id: str | None) -> StoredTicket:
        """Return the ticket with one comment more."""
        ids = ((comment_id, len(self.comments)),) if comment_id else ()
        return replace(self, comments=(*self.comments, text), comment_ids=(*self.comment_ids, *ids))


@dataclass(frozen=True, slots=True)
class Remembered:
    """An agent's memory. *flushes* counts how often it was emptied: who began before that may not write it back."""

    agent_id: str
    text: str = ""
    flushes: int = 0


class NotDurableError(Exception):
    """The database did not take, or give, what it was asked for in time."""


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

    def memory(self, agent_id: str) -> Remembered:
        """Return what an agent remembers; nothing, if it never remembered anything."""
        ...

    def put_memory(self, memory: Remembered) -> None:
        """Replace what an agent remembers."""
        ...

    def put_rule(self, rule: RuleOut) -> None:
        """Add or replace an operational rule."""
        ...

    def rule(self, rule_id: str) -> RuleOut | None:
        """Return an operational rule."""
        ...

    def rules(self) -> tuple[RuleOut, ...]:
        """Return all operational rules in the order of their storing."""
        ...

    def remove_rule(self, rule_id: str) -> None:
        """Forget an operational rule; tasks that it went into keep its words."""
        ...

    def put_specialty(self, specialty: SpecialtyOut) -> None:
        """Add or replace what is known of a specialty."""
        ...

    def specialties(self) -> tuple[SpecialtyOut, ...]:
        """Return all specialties that were set."""
        ...

    def remove_specialty(self, key: str) -> None:
        """Forget what was set for a specialty."""
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

    def tickets(self, limit: int) -> tuple[StoredTicket, ...]:
        """Return the newest tickets, newest first."""
        ...

    def put_job(self, ticket_id: str, record: JobRecord) -> None:
        """Add or replace a ticket's job, and wake those who wait for it if a status changed."""
        ...

    def job(self, ticket_id: str) -> StoredJob | None:
        """Return a ticket's job."""
        ...

    def jobs_of(self, agent_id: str) -> tuple[StoredJob, ...]:
        """Return the jobs in which an agent has a task, oldest first."""
        ...

    def unfinished(self) -> tuple[StoredTicket, ...]:
        """Return the tickets whose job is not finished, or that have none yet; oldest first."""
        ...

    async def wait_for_job(self, ticket_id: str, seen: int | None, seconds: float) -> StoredJob | None:
        """Return the job once its revision is above *seen* or it is finished; else as it is after *seconds*."""
        ...

    async def settle(self, seconds: float | None = None) -> None:
        """Return when everything that was put so far would outlive this process.

        Raises:
            NotDurableError: it would not, after so many *seconds*.
        """
        ...

    def close(self) -> None:
        """Keep what is not kept yet, and release what is held; harmless when repeated."""
        ...
