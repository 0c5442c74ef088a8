"""From the engine's records to the shapes of its API."""

from __future__ import annotations

from pytest_2501bench.engine.state import StoredJob, StoredTicket
from pytest_2501bench.engine.wire import JobOut, TaskOut, TicketOut
from pytest_2501bench.evidence.model import TaskRecord


def task_answer(task: TaskRecord) -> TaskOut:
    """Return a task as clients see it."""
    return TaskOut.model_validate(task.model_dump())


def job_answer(job: StoredJob) -> JobOut:
    """Return a job as clients see it."""
    return JobOut.model_validate({**job.record.model_dump(exclude={"finished"}), "revision": job.revision})


def ticket_answer(ticket: StoredTicket) -> TicketOut:
    """Return a ticket as clients see it."""
    said = ticket.submission
    return TicketOut(
        id=ticket.id,
        correlation_id=said.correlation_id,
        status=ticket.status,
        title=said.title,
        body=said.body,
        comments=ticket.comments,
        summary=ticket.summary,
        created_at=ticket.created_at,
        reference=said.reference,
        priority=said.priority,
        assignment_group=said.assignment_group,
        environment=said.environment,
        requester=said.requester,
        tags=said.tags,
        attachments=tuple(attachment.described() for attachment in said.attachments),
    )
