"""Ticket → job → tasks → agent → resolution.

A job has one task per host of its ticket, five at most. It is worked in the background. An agent is put to work only
when the repository has kept that it is: after a crash nobody begins a second time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from pytest_2501bench.agents.protocol import Agent, Assignment, Outcome, TaskAssignment
from pytest_2501bench.engine.attachments import laid_out
from pytest_2501bench.engine.docket import Docket
from pytest_2501bench.engine.intent import intent_of
from pytest_2501bench.engine.planning import assigned, engines_of, held_back, tasks_for
from pytest_2501bench.engine.recollection import recall, remember
from pytest_2501bench.engine.resolution import JOB_STATUS, TASK_STATUS, combined
from pytest_2501bench.engine.state import Repository, StoredTicket
from pytest_2501bench.engine.wire import MAX_TASKS
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import ResolutionStatus

log = logging.getLogger(__name__)

DEADLINE_GRACE = 10.0
"""Seconds that the engine leaves a client to cancel a late job itself, before it does."""

CANCEL_PATIENCE = 25.0
"""Seconds to wait for an agent to end after it was cancelled."""

RESTARTED = "The engine was restarted while the job was under way."

_CANCELLED = "Cancelled on request."


class StillWorkingError(Exception):
    """An agent did not end in time after it was cancelled."""


class Orchestrator:
    """Works tickets with one agent; several tickets at once, the tasks of one job in order or, if asked for, at once.

    *parallel*: what holds for tickets that do not say. It makes no difference to an agent with ``whole_ticket``.
    """

    def __init__(
        self,
        repository: Repository,
        agent: Agent,
        log_directory: Path,
        *,
        deadline_grace: float = DEADLINE_GRACE,
        parallel: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._repository = repository
        self._agent = agent
        self._log_directory = log_directory
        self._deadline_grace = deadline_grace
        self._parallel = parallel
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self, ticket: StoredTicket) -> None:
        """Begin to work *ticket*, which is in the repository already."""
        task = asyncio.create_task(self._work(ticket.id), name=ticket.id)
        self._running[ticket.id] = task
        task.add_done_callback(lambda _done: self._running.pop(ticket.id, None))

    def recover(self) -> None:
        """Go on after a crash: jobs that had not begun are begun, the others end; none is worked a second time."""
        for ticket in self._repository.unfinished():
            docket = self._docket(ticket.id)
            if not docket.begun:
                self.start(ticket)
            elif any(task.status == "cancelling" for task in docket.journal.tasks()):
                docket.end("cancelled", ResolutionStatus.HARD_FAILURE, _CANCELLED, open_tasks="cancelled")
            else:
                docket.end("failed", ResolutionStatus.HARD_FAILURE, RESTARTED, cut_off=True)

    def is_working(self, ticket_id: str) -> bool:
        """Say whether an agent may still be at work for the ticket."""
        return ticket_id in self._running

    async def cancel(self, ticket_id: str, why: str = _CANCELLED) -> None:
        """Stop the ticket's job; return when no agent works for it any more. A finished job stays as it is.

        Raises:
            StillWorkingError: the agent did not end in time.
        """
        docket = self._docket(ticket_id)
        task = self._running.get(ticket_id)
        if task is not None:
            docket.mark_open_tasks("cancelling")
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_PATIENCE)
            if not task.done():
                raise StillWorkingError(ticket_id)
        if not docket.over:
            # A job that was stopped from outside did neither succeed nor fail by itself: the contract's nearest word.
            docket.end("cancelled", ResolutionStatus.HARD_FAILURE, why, open_tasks="cancelled")

    async def close(self) -> None:
        """Stop all jobs."""
        await asyncio.gather(
            *(self.cancel(ticket_id, "The engine was stopped.") for ticket_id in list(self._running)),
            return_exceptions=True,
        )

    async def _work(self, ticket_id: str) -> None:
        docket = self._docket(ticket_id)
        submission = docket.ticket.submission
        job = docket.take()
        failed = ResolutionStatus.HARD_FAILURE
        if not job.tasks:
            planned = tasks_for(self._repository, submission)
            if not planned:
                text = "No agent is on a host of this ticket."
                docket.end("failed", ResolutionStatus.NO_TASKS_CREATED, text)
                return
            if len(planned) > MAX_TASKS:
                docket.end("failed", failed, f"The ticket needs {len(planned)} tasks; a job has {MAX_TASKS} at most.")
                return
            agent_ids = tuple(task.agent_id or "" for task in planned)
            docket.plan(planned, engines_of(self._repository, submission, agent_ids))
        spent = self._clock() - (job.started_at or self._clock())  # much, if the engine was away in between
        deadline = max(submission.deadline_seconds - spent, 0.0)
        try:
            tasks = assigned(self._repository, submission, docket.journal.tasks())
        except LookupError as error:
            docket.end("failed", failed, f"There is no {error} any more.")
            return
        try:
            async with asyncio.timeout(deadline + self._deadline_grace):
                outcomes = await self._run_agent(docket, tasks, deadline)
        except TimeoutError:
            text = f"The job was stopped after its deadline of {submission.deadline_seconds:g} s."
            docket.end("failed", failed, text, open_tasks="expired")
        except BenchError as error:
            docket.end(
                *("failed", failed, str(error)),
                cut_off=error.cause is Cause.ENGINE_DIED,
                model_unreachable=error.cause is Cause.MODEL_UNREACHABLE,
            )
        except Exception:
            log.exception("agent %s raised while working %s", self._agent.name, ticket_id)
            docket.end("failed", failed, f"The adapter of agent {self._agent.name} failed; see the engine's log.")
        else:
            resolution = combined(resolution for resolution, _ in outcomes)
            summary = "\n\n".join(dict.fromkeys(text for _, text in outcomes if text))
            docket.end(JOB_STATUS[resolution], resolution, summary)

    async def _run_agent(
        self, docket: Docket, tasks: tuple[TaskAssignment, ...], deadline: float
    ) -> list[tuple[ResolutionStatus, str]]:
        submission = docket.ticket.submission
        groups = (tasks,) if self._agent.whole_ticket else tuple((t,) for t in tasks)
        end = asyncio.get_running_loop().time() + deadline
        with laid_out(submission) as attachments:
            if self._parallel if submission.parallel is None else submission.parallel:
                try:
                    async with asyncio.TaskGroup() as together:
                        running = [together.create_task(self._run(docket, g, end, attachments)) for g in groups]
                except ExceptionGroup as several:
                    raise several.exceptions[0] from None
                return [task.result() for task in running]
            return [await self._run(docket, group, end, attachments) for group in groups]

    async def _run(
        self, docket: Docket, group: tuple[TaskAssignment, ...], end: float, attachments: tuple[Path, ...]
    ) -> tuple[ResolutionStatus, str]:
        journal = docket.journal
        submission = docket.ticket.submission
        agent_ids = tuple(task.agent_id for task in group)
        main_engine, secondary_engine = engines_of(self._repository, submission, agent_ids)
        before = recall(self._repository, agent_ids)
        only_look = all(task.intent == "investigate" for task in group)
        for task in group:
            journal.change(task.task_id, status="in_progress", started_at=self._clock())
        await self._repository.settle()
        outcome = await self._agent.work(
            Assignment(
                ticket_id=docket.ticket_id,
                title=submission.title,
                body=submission.body,
                tasks=group,
                deadline_seconds=max(end - asyncio.get_running_loop().time(), 0.0),
                log_directory=self._log_directory,
                main_engine=main_engine,
                secondary_engine=secondary_engine,
                specialty=submission.specialty,
                oracle_playbook=Path(submission.oracle_playbook) if submission.oracle_playbook else None,
                oracle_inventory=Path(submission.oracle_inventory) if submission.oracle_inventory else None,
                operational_rules=tuple(dict.fromkeys(rule for task in group for rule in task.operational_rules)),
                memory=before.text,
                attachments=attachments,
                intent="investigate" if only_look else intent_of(submission),
                priority=submission.priority,
                assignment_group=submission.assignment_group,
                environment=submission.environment,
            ),
            journal,
        )
        remember(self._repository, before, outcome.memory)
        return self._record(docket, group, outcome)

    def _record(
        self, docket: Docket, group: tuple[TaskAssignment, ...], outcome: Outcome
    ) -> tuple[ResolutionStatus, str]:
        """Write down how the tasks ended; return the resolution and the summary of all of them."""
        whole, whole_summary = outcome.resolution, outcome.summary
        for task in group:
            resolution = outcome.task_resolutions.get(task.task_id, outcome.resolution)
            summary = outcome.task_summaries.get(task.task_id, outcome.summary)
            if resolution is ResolutionStatus.SUCCESS and held_back(docket.ticket.submission, task):
                resolution = ResolutionStatus.PARTIAL
                note = f"Specialty {task.specialty_key} may only investigate; what is to be repaired is left to others."
                summary = f"{summary}\n\n{note}".strip()
                whole_summary = whole_summary if note in whole_summary else f"{whole_summary}\n\n{note}".strip()
                whole = ResolutionStatus.PARTIAL if whole is ResolutionStatus.SUCCESS else whole
            fields = {"status": TASK_STATUS[resolution], "summary": summary, "finished_at": self._clock()}
            docket.journal.change(task.task_id, **fields)
            docket.post(f"{task.host.host_name}: {TASK_STATUS[resolution]}. {summary}")
        return whole, whole_summary

    def _docket(self, ticket_id: str) -> Docket:
        return Docket(self._repository, ticket_id, self._clock)
