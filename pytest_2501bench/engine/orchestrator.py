"""Ticket → job → tasks → agent → resolution.

A job has one task per host that the ticket names, five at most. It is worked in the background; every step is written
to the repository at once, so that a poll sees it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pytest_2501bench.agents.protocol import Agent, Assignment, Outcome, TaskAssignment
from pytest_2501bench.engine.journal import JobJournal
from pytest_2501bench.engine.routing import Route, route
from pytest_2501bench.engine.state import Repository, StoredTicket
from pytest_2501bench.engine.wire import MAX_TASKS, TicketStatus
from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.model import JobRecord, ResolutionStatus, TaskRecord
from pytest_2501bench.ids import new_id

log = logging.getLogger(__name__)

DEADLINE_GRACE = 10.0
"""Seconds that the engine leaves a client to cancel a late job itself, before it does."""

CANCEL_PATIENCE = 25.0
"""Seconds to wait for an agent to end after it was cancelled."""

JOB_STATUS = {
    ResolutionStatus.SUCCESS: "completed",
    ResolutionStatus.PARTIAL: "completed",
    ResolutionStatus.NO_ACTION: "completed",
    ResolutionStatus.AGENTIC_FAILURE: "failed",
    ResolutionStatus.HARD_FAILURE: "failed",
    ResolutionStatus.NO_TASKS_CREATED: "failed",
}
TASK_STATUS = {
    ResolutionStatus.SUCCESS: "completed",
    ResolutionStatus.PARTIAL: "incomplete",
    ResolutionStatus.NO_ACTION: "completed",
    ResolutionStatus.AGENTIC_FAILURE: "failed",
    ResolutionStatus.HARD_FAILURE: "failed",
    ResolutionStatus.NO_TASKS_CREATED: "failed",
}


class StillWorkingError(Exception):
    """An agent did not end in time after it was cancelled."""


def combined(resolutions: list[ResolutionStatus]) -> ResolutionStatus:
    """Return the resolution of a job whose tasks were resolved so: all alike, or partial if some of it was done."""
    kinds = set(resolutions)
    if not kinds:
        return ResolutionStatus.NO_TASKS_CREATED
    if len(kinds) == 1:
        return kinds.pop()
    if kinds & {ResolutionStatus.SUCCESS, ResolutionStatus.PARTIAL}:
        return ResolutionStatus.PARTIAL
    worst_first = (ResolutionStatus.HARD_FAILURE, ResolutionStatus.AGENTIC_FAILURE)
    return next(r for r in worst_first if r in kinds)


class Orchestrator:
    """Works tickets with one agent; several tickets at once, the tasks of one job in order."""

    def __init__(
        self,
        repository: Repository,
        agent: Agent,
        log_directory: Path,
        *,
        deadline_grace: float = DEADLINE_GRACE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._repository = repository
        self._agent = agent
        self._log_directory = log_directory
        self._deadline_grace = deadline_grace
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self, ticket: StoredTicket) -> None:
        """Begin to work *ticket*, which is in the repository already."""
        task = asyncio.create_task(self._work(ticket.id), name=ticket.id)
        self._running[ticket.id] = task
        task.add_done_callback(lambda _done: self._running.pop(ticket.id, None))

    def is_working(self, ticket_id: str) -> bool:
        """Say whether an agent may still be at work for the ticket."""
        return ticket_id in self._running

    async def cancel(self, ticket_id: str, why: str = "Cancelled on request.") -> None:
        """Stop the ticket's job; return when no agent works for it any more. A finished job stays as it is.

        Raises:
            StillWorkingError: the agent did not end in time.
        """
        task = self._running.get(ticket_id)
        if task is not None:
            self._mark_tasks(ticket_id, "cancelling")
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_PATIENCE)
            if not task.done():
                raise StillWorkingError(ticket_id)
        ticket = self._ticket(ticket_id)
        if ticket.status not in {"new", "in_progress"} or self._is_finished(ticket_id):
            return
        # A job that was stopped from outside did not succeed and did not fail by itself: the contract's nearest word.
        self._end(ticket_id, "cancelled", ResolutionStatus.HARD_FAILURE, why, open_tasks="cancelled")

    async def close(self) -> None:
        """Stop all jobs."""
        await asyncio.gather(
            *(self.cancel(ticket_id, "The engine was stopped.") for ticket_id in list(self._running)),
            return_exceptions=True,
        )

    async def _work(self, ticket_id: str) -> None:
        submission = self._ticket(ticket_id).submission
        planned = route(self._repository, submission)
        job = JobRecord(
            id=new_id("job"),
            status="queued",
            finished=False,
            tasks=(),
            main_engine=submission.main_engine,
            secondary_engine=submission.secondary_engine,
            started_at=self._clock(),
        )
        self._repository.put_job(ticket_id, job)
        self._post(ticket_id, f"Job {job.id} took the ticket.", status="in_progress")
        if not planned:
            self._end(ticket_id, "failed", ResolutionStatus.NO_TASKS_CREATED, "No agent is on a host of this ticket.")
            return
        if len(planned) > MAX_TASKS:
            text = f"The ticket needs {len(planned)} tasks; a job has {MAX_TASKS} at most."
            self._end(ticket_id, "failed", ResolutionStatus.HARD_FAILURE, text)
            return
        assignments = self._begin(ticket_id, planned)
        try:
            async with asyncio.timeout(submission.deadline_seconds + self._deadline_grace):
                outcomes = await self._run_agent(ticket_id, assignments)
        except TimeoutError:
            text = f"The job was stopped after its deadline of {submission.deadline_seconds:g} s."
            self._end(ticket_id, "failed", ResolutionStatus.HARD_FAILURE, text, open_tasks="expired")
        except BenchError as error:
            self._end(ticket_id, "failed", ResolutionStatus.HARD_FAILURE, str(error), open_tasks="failed")
        except Exception:
            log.exception("agent %s raised while working %s", self._agent.name, ticket_id)
            text = f"The adapter of agent {self._agent.name} failed; see the engine's log."
            self._end(ticket_id, "failed", ResolutionStatus.HARD_FAILURE, text, open_tasks="failed")
        else:
            resolution = combined([o.resolution for o in outcomes])
            summary = "\n\n".join(dict.fromkeys(o.summary for o in outcomes if o.summary))
            self._end(ticket_id, JOB_STATUS[resolution], resolution, summary)

    def _begin(self, ticket_id: str, planned: tuple[Route, ...]) -> tuple[TaskAssignment, ...]:
        submission = self._ticket(ticket_id).submission
        assignments = tuple(
            TaskAssignment(
                task_id=new_id("tsk"),
                host=r.host,
                agent_id=r.agent.agent_id,
                agent_name=r.agent.agent_name,
                specialty_key=submission.specialty or r.agent.specialty_key,
            )
            for r in planned
        )
        tasks = tuple(
            TaskRecord(
                id=a.task_id,
                status="queued",
                agent_id=a.agent_id,
                agent_name=a.agent_name,
                host_id=a.host.host_id,
                host_name=a.host.host_name,
                description=f"{submission.title} (on {a.host.host_name})",
                operational_rules=(),
            )
            for a in assignments
        )
        plan = "\n".join(f"{n}. {a.host.host_name}: {a.agent_name}" for n, a in enumerate(assignments, 1))
        job = self._job(ticket_id)
        self._repository.put_job(
            ticket_id, job.model_copy(update={"status": "in_progress", "tasks": tasks, "plan": plan})
        )
        self._post(ticket_id, f"Plan:\n{plan}")
        return assignments

    async def _run_agent(self, ticket_id: str, tasks: tuple[TaskAssignment, ...]) -> list[Outcome]:
        submission = self._ticket(ticket_id).submission
        groups = (tasks,) if self._agent.whole_ticket else tuple((t,) for t in tasks)
        journal = JobJournal(self._repository, ticket_id)
        outcomes: list[Outcome] = []
        loop = asyncio.get_running_loop()
        end = loop.time() + submission.deadline_seconds
        for group in groups:
            for task in group:
                journal.change(task.task_id, status="in_progress", started_at=self._clock())
            outcome = await self._agent.work(
                Assignment(
                    ticket_id=ticket_id,
                    title=submission.title,
                    body=submission.body,
                    tasks=group,
                    deadline_seconds=max(end - loop.time(), 0.0),
                    log_directory=self._log_directory,
                    main_engine=submission.main_engine,
                    secondary_engine=submission.secondary_engine,
                    specialty=submission.specialty,
                    oracle_playbook=Path(submission.oracle_playbook) if submission.oracle_playbook else None,
                    oracle_inventory=Path(submission.oracle_inventory) if submission.oracle_inventory else None,
                ),
                journal,
            )
            for task in group:
                resolution = outcome.task_resolutions.get(task.task_id, outcome.resolution)
                summary = outcome.task_summaries.get(task.task_id, outcome.summary)
                journal.change(task.task_id, status=TASK_STATUS[resolution], summary=summary, finished_at=self._clock())
                self._post(ticket_id, f"{task.host.host_name}: {TASK_STATUS[resolution]}. {summary}")
            outcomes.append(outcome)
        return outcomes

    def _end(
        self, ticket_id: str, status: str, resolution: ResolutionStatus, summary: str, *, open_tasks: str = "failed"
    ) -> None:
        now = self._clock()
        job = self._repository.job(ticket_id)
        record = job.record if job else JobRecord(id=new_id("job"), status="queued", finished=False, tasks=())
        tasks = tuple(
            t
            if t.status in {"completed", "incomplete", "failed"}
            else t.model_copy(update={"status": open_tasks, "summary": t.summary or summary, "finished_at": now})
            for t in record.tasks or ()
        )
        ended: TicketStatus = "resolved" if resolution is ResolutionStatus.SUCCESS else "in_progress"
        if status == "cancelled":
            ended = "cancelled"
        # The ticket first: who sees a finished job may read the ticket at once.
        self._post(ticket_id, f"Resolution: {resolution.value}. {summary}", status=ended, summary=summary)
        self._repository.put_job(
            ticket_id,
            record.model_copy(
                update={
                    "status": status,
                    "finished": True,
                    "resolution_status": resolution,
                    "resolution_summary": summary,
                    "tasks": tasks,
                    "finished_at": now,
                }
            ),
        )

    def _mark_tasks(self, ticket_id: str, status: str) -> None:
        journal = JobJournal(self._repository, ticket_id)
        for task in journal.tasks():
            if task.status in {"queued", "in_progress"}:
                journal.change(task.id, status=status)

    def _post(
        self, ticket_id: str, comment: str, *, status: TicketStatus | None = None, summary: str | None = None
    ) -> None:
        ticket = self._ticket(ticket_id)
        self._repository.put_ticket(
            replace(
                ticket,
                comments=(*ticket.comments, comment),
                status=status or ticket.status,
                summary=ticket.summary if summary is None else summary,
            )
        )

    def _is_finished(self, ticket_id: str) -> bool:
        job = self._repository.job(ticket_id)
        return job is not None and job.record.finished

    def _ticket(self, ticket_id: str) -> StoredTicket:
        ticket = self._repository.ticket(ticket_id)
        if ticket is None:
            raise LookupError(ticket_id)
        return ticket

    def _job(self, ticket_id: str) -> JobRecord:
        job = self._repository.job(ticket_id)
        if job is None:
            raise LookupError(ticket_id)
        return job.record
