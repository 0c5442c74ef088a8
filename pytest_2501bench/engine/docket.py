"""One ticket and its job: every step is written into the repository at once, so that a poll sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pytest_2501bench.engine.journal import JobJournal
from pytest_2501bench.engine.state import Repository, StoredTicket
from pytest_2501bench.engine.wire import TicketStatus
from pytest_2501bench.evidence.model import JobRecord, ResolutionStatus, TaskRecord
from pytest_2501bench.ids import new_id


class Docket:
    """What happens to one ticket."""

    def __init__(self, repository: Repository, ticket_id: str, clock: Callable[[], float]) -> None:
        self._repository = repository
        self._clock = clock
        self.ticket_id = ticket_id
        self.journal = JobJournal(repository, ticket_id)

    @property
    def ticket(self) -> StoredTicket:
        """The ticket as it stands."""
        ticket = self._repository.ticket(self.ticket_id)
        if ticket is None:
            raise LookupError(self.ticket_id)
        return ticket

    @property
    def job(self) -> JobRecord | None:
        """The job as it stands."""
        job = self._repository.job(self.ticket_id)
        return job.record if job else None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        job = self.job
        return self.ticket.status not in {"new", "in_progress"} or (job is not None and job.finished)

    @property
    def begun(self) -> bool:
        """Whether an agent was put to work, or may have been."""
        return any(task.status != "queued" for task in self.journal.tasks())

    def take(self) -> JobRecord:
        """Return the job, made now if there is none."""
        job = self.job
        if job is None:
            submission = self.ticket.submission
            job = JobRecord(
                id=new_id("job"),
                status="queued",
                finished=False,
                tasks=(),
                main_engine=submission.main_engine,
                secondary_engine=submission.secondary_engine,
                started_at=self._clock(),
            )
            self._repository.put_job(self.ticket_id, job)
            self.post(f"Job {job.id} took the ticket.", status="in_progress")
        return job

    def plan(self, tasks: tuple[TaskRecord, ...], engines: tuple[str | None, str | None]) -> None:
        """Give the job its tasks, and say so."""
        plan = "\n".join(f"{n}. {task.host_name}: {task.agent_name}" for n, task in enumerate(tasks, 1))
        fields: dict[str, object] = {"status": "in_progress", "tasks": tasks, "plan": plan}
        fields |= {"main_engine": engines[0], "secondary_engine": engines[1]}
        self._repository.put_job(self.ticket_id, self.take().model_copy(update=fields))
        self.post(f"Plan:\n{plan}")

    def mark_open_tasks(self, status: str) -> None:
        """Give the tasks that are not over another status."""
        for task in self.journal.tasks():
            if task.status in {"queued", "in_progress"}:
                self.journal.change(task.id, status=status)

    def end(
        self,
        status: str,
        resolution: ResolutionStatus,
        summary: str,
        *,
        open_tasks: str = "failed",
        cut_off: bool = False,
        model_unreachable: bool = False,
    ) -> None:
        """End the job; tasks that are not over get *open_tasks* as their status.

        *cut_off*: by the death of the engine, or of what the agent works with. *model_unreachable*: by that of its
        model.
        """
        now = self._clock()
        record = self.job or JobRecord(id=new_id("job"), status="queued", finished=False, tasks=())
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
        self.post(f"Resolution: {resolution.value}. {summary}", status=ended, summary=summary)
        fields: dict[str, object] = {"status": status, "finished": True, "tasks": tasks, "finished_at": now}
        fields |= {"resolution_status": resolution, "resolution_summary": summary, "cut_off": cut_off}
        fields["model_unreachable"] = model_unreachable
        self._repository.put_job(self.ticket_id, record.model_copy(update=fields))

    def post(self, comment: str, *, status: TicketStatus | None = None, summary: str | None = None) -> None:
        """Post a comment on the ticket, and change its status or its resolution note."""
        ticket = self.ticket
        self._repository.put_ticket(
            replace(
                ticket,
                comments=(*ticket.comments, comment),
                status=status or ticket.status,
                summary=ticket.summary if summary is None else summary,
            )
        )
