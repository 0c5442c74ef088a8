"""The repository that keeps everything in dictionaries: gone with the process, and the cache of the one that stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Literal

from pytest_2501bench.engine.state import Remembered, StoredHost, StoredJob, StoredTicket
from pytest_2501bench.engine.wire import AgentOut
from pytest_2501bench.engine.wire_rules import RuleOut, SpecialtyOut
from pytest_2501bench.evidence.model import JobRecord

Kind = Literal["host", "agent", "memory", "rule", "specialty", "ticket", "job"]
Kept = StoredHost | AgentOut | Remembered | RuleOut | SpecialtyOut | StoredTicket | StoredJob

BUILT_IN = (SpecialtyOut(specialty_key="INVESTIGATOR", investigate_only=True),)
"""Specialties that every engine knows, until they are set otherwise."""


def _statuses(record: JobRecord) -> tuple[object, ...]:
    tasks = record.tasks or ()
    return record.status, record.finished, tuple((t.id, t.status, t.agent_id, t.host_id) for t in tasks)


class MemoryRepository:
    """See :class:`.state.Repository`. For one event loop."""

    def __init__(self) -> None:
        self._hosts: dict[str, StoredHost] = {}
        self._agents: dict[str, AgentOut] = {}
        self._memories: dict[str, Remembered] = {}
        self._rules: dict[str, RuleOut] = {}
        self._specialties = {specialty.specialty_key: specialty for specialty in BUILT_IN}
        self._tickets: dict[str, StoredTicket] = {}
        self._correlations: dict[str, str] = {}
        self._jobs: dict[str, StoredJob] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def _keep(self, kind: Kind, key: str, record: Kept | None, *, hurry: bool = True) -> None:
        """Take note of a change; None: it was removed. Here nothing more than memory is kept."""

    def put_host(self, host: StoredHost) -> None:
        """See :class:`.state.Repository`."""
        self._hosts[host.host.host_id] = host
        self._keep("host", host.host.host_id, host)

    def host(self, host_id: str) -> StoredHost | None:
        """See :class:`.state.Repository`."""
        return self._hosts.get(host_id)

    def hosts(self) -> tuple[StoredHost, ...]:
        """See :class:`.state.Repository`."""
        return tuple(self._hosts.values())

    def remove_host(self, host_id: str) -> None:
        """See :class:`.state.Repository`."""
        if self._hosts.pop(host_id, None):
            self._keep("host", host_id, None)

    def put_agent(self, agent: AgentOut) -> None:
        """See :class:`.state.Repository`."""
        self._agents[agent.agent_id] = agent
        self._keep("agent", agent.agent_id, agent)

    def agent(self, agent_id: str) -> AgentOut | None:
        """See :class:`.state.Repository`."""
        return self._agents.get(agent_id)

    def agents(self) -> tuple[AgentOut, ...]:
        """See :class:`.state.Repository`."""
        return tuple(self._agents.values())

    def remove_agent(self, agent_id: str) -> None:
        """See :class:`.state.Repository`."""
        if self._agents.pop(agent_id, None):
            self._keep("agent", agent_id, None)
        if self._memories.pop(agent_id, None):
            self._keep("memory", agent_id, None)

    def memory(self, agent_id: str) -> Remembered:
        """See :class:`.state.Repository`."""
        return self._memories.get(agent_id) or Remembered(agent_id)

    def put_memory(self, memory: Remembered) -> None:
        """See :class:`.state.Repository`."""
        self._memories[memory.agent_id] = memory
        self._keep("memory", memory.agent_id, memory)

    def put_rule(self, rule: RuleOut) -> None:
        """See :class:`.state.Repository`."""
        self._rules[rule.rule_id] = rule
        self._keep("rule", rule.rule_id, rule)

    def rule(self, rule_id: str) -> RuleOut | None:
        """See :class:`.state.Repository`."""
        return self._rules.get(rule_id)

    def rules(self) -> tuple[RuleOut, ...]:
        """See :class:`.state.Repository`."""
        return tuple(self._rules.values())

    def remove_rule(self, rule_id: str) -> None:
        """See :class:`.state.Repository`."""
        if self._rules.pop(rule_id, None):
            self._keep("rule", rule_id, None)

    def put_specialty(self, specialty: SpecialtyOut) -> None:
        """See :class:`.state.Repository`."""
        self._specialties[specialty.specialty_key] = specialty
        self._keep("specialty", specialty.specialty_key, specialty)

    def specialties(self) -> tuple[SpecialtyOut, ...]:
        """See :class:`.state.Repository`."""
        return tuple(self._specialties.values())

    def remove_specialty(self, key: str) -> None:
        """See :class:`.state.Repository`."""
        if self._specialties.pop(key, None):
            self._keep("specialty", key, None)
        self._specialties |= {specialty.specialty_key: specialty for specialty in BUILT_IN} | self._specialties

    def put_ticket(self, ticket: StoredTicket) -> None:
        """See :class:`.state.Repository`."""
        self._tickets[ticket.id] = ticket
        self._correlations.setdefault(ticket.submission.correlation_id, ticket.id)
        self._keep("ticket", ticket.id, ticket)

    def ticket(self, ticket_id: str) -> StoredTicket | None:
        """See :class:`.state.Repository`."""
        return self._tickets.get(ticket_id)

    def ticket_by_correlation(self, correlation_id: str) -> StoredTicket | None:
        """See :class:`.state.Repository`."""
        ticket_id = self._correlations.get(correlation_id)
        return self.ticket(ticket_id) if ticket_id else None

    def tickets(self, limit: int) -> tuple[StoredTicket, ...]:
        """See :class:`.state.Repository`."""
        newest = list(self._correlations.values())[-limit:] if limit else []
        return tuple(ticket for ticket_id in reversed(newest) if (ticket := self.ticket(ticket_id)))

    def put_job(self, ticket_id: str, record: JobRecord) -> None:
        """See :class:`.state.Repository`."""
        old = self.job(ticket_id)
        if old is not None and _statuses(old.record) == _statuses(record):
            # Messages and commands come often; waking a client for each would make it poll without pause.
            self._jobs[ticket_id] = replace(old, record=record)
            self._keep("job", ticket_id, self._jobs[ticket_id], hurry=False)
            return
        self._jobs[ticket_id] = StoredJob(ticket_id, old.revision + 1 if old else 1, record)
        self._keep("job", ticket_id, self._jobs[ticket_id])
        self._changed.pop(ticket_id, asyncio.Event()).set()

    def job(self, ticket_id: str) -> StoredJob | None:
        """See :class:`.state.Repository`."""
        return self._jobs.get(ticket_id)

    def jobs_of(self, agent_id: str) -> tuple[StoredJob, ...]:
        """See :class:`.state.Repository`."""
        return tuple(j for j in self._jobs.values() if any(t.agent_id == agent_id for t in j.record.tasks or ()))

    def unfinished(self) -> tuple[StoredTicket, ...]:
        """See :class:`.state.Repository`."""
        return tuple(
            ticket
            for ticket in self._tickets.values()
            if ticket.status in {"new", "in_progress"}
            and not ((job := self._jobs.get(ticket.id)) and job.record.finished)
        )

    async def wait_for_job(self, ticket_id: str, seen: int | None, seconds: float) -> StoredJob | None:
        """See :class:`.state.Repository`."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            job = self.job(ticket_id)
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
                return self.job(ticket_id)

    async def settle(self, seconds: float | None = None) -> None:
        """See :class:`.state.Repository`: all is lost with the process anyhow."""

    def close(self) -> None:
        """See :class:`.state.Repository`."""
