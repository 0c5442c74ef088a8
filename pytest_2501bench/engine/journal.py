"""Writes an agent's work into the job's record while it happens."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_2501bench.engine.state import Repository
from pytest_2501bench.evidence.model import Command, JobRecord, TaskRecord

MAX_MESSAGE = 32_768
"""Characters kept of one message."""

MAX_MESSAGES = 2_000
"""Messages kept per task; a job's record is sent whole at every poll."""


class JobJournal:
    """The task logs of one job."""

    def __init__(self, repository: Repository, ticket_id: str) -> None:
        self._repository = repository
        self._ticket_id = ticket_id

    def task(self, task_id: str) -> JobTaskLog:
        """Return the log of task *task_id*."""
        return JobTaskLog(self, task_id)

    def tasks(self) -> tuple[TaskRecord, ...]:
        """Return the tasks as they stand."""
        return self._record().tasks or () if self._repository.job(self._ticket_id) else ()

    def find(self, task_id: str) -> TaskRecord:
        """Return one task."""
        return next(t for t in self.tasks() if t.id == task_id)

    def change(self, task_id: str, **fields: object) -> None:
        """Replace fields of one task."""
        tasks = tuple(t.model_copy(update=fields) if t.id == task_id else t for t in self.tasks())
        self._repository.put_job(self._ticket_id, self._record().model_copy(update={"tasks": tasks}))

    def _record(self) -> JobRecord:
        job = self._repository.job(self._ticket_id)
        if job is None:
            raise LookupError(self._ticket_id)
        return job.record


class JobTaskLog:
    """See :class:`pytest_2501bench.agents.protocol.TaskLog`."""

    def __init__(self, journal: JobJournal, task_id: str) -> None:
        self._journal = journal
        self._task_id = task_id

    def plan(self, text: str) -> None:
        """Replace the plan."""
        self._journal.change(self._task_id, plan=text)

    def message(self, text: str) -> None:
        """Add a message; what is too long or too much is cut, and says so."""
        known = self._journal.find(self._task_id).agent_messages or ()
        if len(known) > MAX_MESSAGES:
            return
        if len(known) == MAX_MESSAGES:
            text = f"… only the first {MAX_MESSAGES} messages are kept"
        elif len(text) > MAX_MESSAGE:
            text = f"{text[:MAX_MESSAGE]} … ({len(text)} characters)"
        self._journal.change(self._task_id, agent_messages=(*known, text))

    def commands(self, commands: Sequence[Command]) -> None:
        """Replace the commands."""
        self._journal.change(self._task_id, executed_commands=tuple(commands))

    def claimed(self, commands: Sequence[Command]) -> None:
        """Replace the commands that the agent claims."""
        self._journal.change(self._task_id, claimed_commands=tuple(commands))

    def cost(self, *, input_tokens: int | None, output_tokens: int | None, cost_usd: float | None) -> None:
        """Replace tokens and cost."""
        self._journal.change(self._task_id, input_tokens=input_tokens, output_tokens=output_tokens, cost_usd=cost_usd)
