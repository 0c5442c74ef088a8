"""The seam between a run and whatever works its ticket. Third parties implement :class:`Gateway`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from pytest_2501bench.evidence.model import JobRecord, TicketRecord
from pytest_2501bench.sandbox.protocol import SshSettings


@dataclass(frozen=True, slots=True)
class HostRegistration:
    """A host as the engine must know it, with the credentials that its agents use."""

    host_id: str
    host_name: str
    ssh: SshSettings
    python: str = "/usr/bin/python3"


@dataclass(frozen=True, slots=True)
class AgentRegistration:
    """An agent on a host. *existing*: host mode, used and left untouched, memory flushed."""

    agent_id: str
    agent_name: str
    host_id: str
    specialty_key: str
    existing: bool = False


@dataclass(frozen=True, slots=True)
class TicketSubmission:
    """What the engine is told. Nothing in it may come from the scenario's key, title, tags, description or rules.

    *oracle_playbook* is set only for the local engine's ``oracle`` agent, which plays the scenario's solve.yml.
    *correlation_id* is opaque and unique per run: submitting twice with the same one makes one ticket.
    """

    title: str
    body: str
    correlation_id: str
    host_ids: tuple[str, ...]
    agent_ids: tuple[str, ...]
    deadline_seconds: float
    main_engine: str | None = None
    secondary_engine: str | None = None
    specialty: str | None = None
    oracle_playbook: Path | None = None
    oracle_inventory: Path | None = None
    attachments: tuple[Path, ...] = field(default=())


@runtime_checkable
class Gateway(Protocol):
    """One ticketing path. Errors are :class:`~pytest_2501bench.errors.BenchError`.

    Causes: ``gateway_unavailable`` (preflight), ``flush_failed``, ``submit_failed`` (refused, or not answered; the same
    ticket may be submitted again, and if it was taken without an answer, :meth:`unregister` stops its job),
    ``engine_died`` (no answer after retries while a job was under way), ``engine_nonsense`` (an answer that breaks the
    API; the message names the field), ``restore_failed`` (unregister).
    """

    name: str

    def preflight(self) -> None:
        """Raise if tickets cannot be submitted: not reachable, wrong key, wrong API."""
        ...

    def register(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Make hosts and agents known to the engine."""
        ...

    def unregister(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Remove what :meth:`register` made; unknown ones are no error."""
        ...

    def flush_memory(self, agent_ids: Sequence[str]) -> None:
        """Empty the agents' memory, so that no run knows an earlier one."""
        ...

    def submit(self, ticket: TicketSubmission) -> str:
        """Create the ticket; return its reference."""
        ...

    def poll(self, reference: str) -> JobRecord | None:
        """Return the ticket's job, or None while there is none."""
        ...

    def cancel(self, reference: str) -> None:
        """Stop the job; return when none of its agents works any more, or raise."""
        ...

    def fetch(self, reference: str) -> TicketRecord:
        """Return the ticket as the ticketing system has it now."""
        ...

    def close(self) -> None:
        """Release connections; harmless when repeated."""
        ...
