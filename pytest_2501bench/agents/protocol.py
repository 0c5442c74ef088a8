"""The seam between the engine and an agent. Third parties implement :class:`Agent`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable

from pytest_2501bench.evidence.model import Command, ResolutionStatus
from pytest_2501bench.sandbox.protocol import Host

Intent = Literal["investigate", "remediate"]
"""What a ticket asks for: look and report only, or repair."""


@dataclass(frozen=True, slots=True)
class TaskAssignment:
    """One task: one registered agent on one host.

    *intent* is ``investigate`` also where the ticket asks for a repair that the agent's specialty does not allow.
    """

    task_id: str
    host: Host
    agent_id: str
    agent_name: str
    specialty_key: str
    intent: Intent | None = None
    operational_rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What an agent is asked to do.

    *tasks* holds every task of the job for an agent with ``whole_ticket``, else exactly one. *deadline_seconds*
    counts from now and is for the agent's information: the engine cancels :meth:`Agent.work` when it is over.

    *operational_rules* holds those of all *tasks*, *memory* what the agent wanted to remember of former jobs ("" after
    a flush). *attachments* are files that are there as long as :meth:`Agent.work` runs. *intent* is None if the ticket
    does not say; a repair is what is wanted then.
    """

    ticket_id: str
    title: str
    body: str
    tasks: tuple[TaskAssignment, ...]
    deadline_seconds: float
    log_directory: Path  # private to the engine; an agent's own process never needs to see it
    main_engine: str | None = None
    secondary_engine: str | None = None
    specialty: str | None = None
    oracle_playbook: Path | None = None  # for the oracle only; no other agent may look at it
    oracle_inventory: Path | None = None
    operational_rules: tuple[str, ...] = ()
    memory: str = ""
    attachments: tuple[Path, ...] = ()
    intent: Intent | None = None
    priority: str | None = None
    assignment_group: str | None = None
    environment: str | None = None


class TaskLog(Protocol):
    """Where an agent's work on one task is written down while it happens."""

    def plan(self, text: str) -> None:
        """Say what the agent is going to do (replaces an earlier plan)."""
        ...

    def message(self, text: str) -> None:
        """Add one message of the agent."""
        ...

    def commands(self, commands: Sequence[Command]) -> None:
        """Give all commands seen so far, in the order of their start (replaces what was given before)."""
        ...

    def claimed(self, commands: Sequence[Command]) -> None:
        """Give the commands that the agent itself says it ran (replaces what was given before)."""
        ...

    def cost(self, *, input_tokens: int | None, output_tokens: int | None, cost_usd: float | None) -> None:
        """Give what the model used so far; None where nobody counted."""
        ...


class Journal(Protocol):
    """The task logs of one assignment."""

    def task(self, task_id: str) -> TaskLog:
        """Return the log of task *task_id*."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work ended.

    *summary* is what the agent has to say about the whole; *task_summaries* (by task id) where a task differs from it.
    *task_resolutions* likewise. *memory* is what to remember for later jobs; None leaves it as it is.
    """

    resolution: ResolutionStatus
    summary: str
    task_summaries: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    task_resolutions: Mapping[str, ResolutionStatus] = field(default_factory=lambda: MappingProxyType({}))
    memory: str | None = None


@runtime_checkable
class Agent(Protocol):
    """Something that works tickets.

    One object serves the whole engine; several assignments may be worked at once, in one event loop.

    Attributes:
        name: the word for ``--agent``.
        whole_ticket: True if one call of :meth:`work` gets all tasks of a job; False if the engine shall call it once
            per task, one after the other.
    """

    name: str
    whole_ticket: bool

    def warm_up(self) -> None:
        """Import and prepare what the first assignment needs. Called once, in a thread, when the engine is ready."""
        ...

    async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
        """Work the assignment to its end.

        On cancellation: end everything that was started, then let the ``CancelledError`` pass. When this method is
        left, nothing of the agent may run any more.

        Raises:
            BenchError: the agent could not be put to work (the job becomes a ``hard_failure``).
        """
        ...

    def close(self) -> None:
        """Release what is kept between assignments; harmless when repeated."""
        ...
