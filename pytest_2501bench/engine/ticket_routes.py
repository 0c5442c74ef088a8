"""Routes under ``/tickets``."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response

from pytest_2501bench.engine.answers import job_answer, ticket_answer
from pytest_2501bench.engine.desk import Desk
from pytest_2501bench.engine.orchestrator import StillWorkingError
from pytest_2501bench.engine.state import StoredTicket
from pytest_2501bench.engine.wire import CommentIn, JobOut, TicketCreated, TicketIn, TicketList, TicketOut
from pytest_2501bench.engine.wire_attachments import AttachmentContent
from pytest_2501bench.engine.wire_base import Problem
from pytest_2501bench.ids import new_id

_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such ticket or attachment."}}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "In conflict with what is there."}}
_LATE: dict[int | str, dict[str, Any]] = {504: {"model": Problem, "description": "The agent still works."}}

MAX_LISTED = 100
MAX_WAIT = 30.0
"""Seconds that a request may wait for a change of the job."""


async def cancel_or_504(desk: Desk, ticket_id: str) -> None:
    """Stop the ticket's job, or answer that it did not stop."""
    try:
        await desk.orchestrator.cancel(ticket_id)
    except StillWorkingError:
        raise HTTPException(504, f"the agent still works on ticket {ticket_id}") from None


def router(desk: Desk) -> APIRouter:
    """Return the routes on *desk*."""
    api = APIRouter(prefix="/tickets", tags=["tickets"])
    repository = desk.repository

    def known(ticket_id: str) -> StoredTicket:
        return known_ticket(desk, ticket_id)

    @api.post(
        "",
        summary="Submit a ticket",
        status_code=201,
        response_model=TicketCreated,
        responses={**_CONFLICT, 200: {"model": TicketCreated, "description": "Submitted so already."}},
    )
    async def submit(ticket: TicketIn, response: Response) -> TicketCreated:
        """Submit a ticket; its job starts at once.

        The same ticket again, known by its `correlation_id`, is answered with 200 and worked once; another ticket with
        that `correlation_id` is refused with 409.
        """
        if ticket.oracle_playbook and not desk.same_machine:
            raise HTTPException(422, "/oracle_playbook: only an engine on the client's own machine takes it")
        there = repository.ticket_by_correlation(ticket.correlation_id)
        if there is not None:
            if there.submission != ticket:
                raise HTTPException(409, f"correlation_id {ticket.correlation_id!r} belongs to another ticket")
            response.status_code = 200
            return TicketCreated(id=there.id)
        for n, host_id in enumerate(ticket.host_ids):
            if repository.host(host_id) is None:
                raise HTTPException(409, f"/host_ids/{n}: no host {host_id!r} is registered")
        for n, agent_id in enumerate(ticket.agent_ids):
            if repository.agent(agent_id) is None:
                raise HTTPException(409, f"/agent_ids/{n}: no agent {agent_id!r} is registered")
        stored = StoredTicket(new_id("tkt"), ticket, comments=ticket.comments, created_at=time.time())
        repository.put_ticket(stored)
        desk.orchestrator.start(stored)
        return TicketCreated(id=stored.id)

    @api.get("", summary="List tickets")
    async def list_tickets(
        correlation_id: Annotated[str | None, Query(max_length=255, description="Only the one that has it.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = MAX_LISTED,
    ) -> TicketList:
        """Return the newest tickets, newest first; with `correlation_id` the one ticket, or none."""
        if correlation_id is None:
            return TicketList(tickets=tuple(ticket_answer(ticket) for ticket in repository.tickets(limit)))
        there = repository.ticket_by_correlation(correlation_id)
        return TicketList(tickets=(ticket_answer(there),) if there else ())

    @api.get("/{ticket_id}", summary="Show a ticket", responses=_UNKNOWN)
    async def show(ticket_id: str) -> TicketOut:
        """Return the ticket with its comments and its resolution note."""
        return ticket_answer(known(ticket_id))

    @api.get(
        "/{ticket_id}/job",
        summary="Show a ticket's job",
        response_model=JobOut,
        responses={**_UNKNOWN, 204: {"description": "There is no job yet."}},
    )
    async def job(
        ticket_id: str,
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT, description="Seconds to wait for a change.")] = 0.0,
        seen: Annotated[int | None, Query(ge=0, le=2**53, description="The last `revision` known.")] = None,
    ) -> JobOut | Response:
        """Return the job.

        With `wait`, the answer comes as soon as there is a job with a revision above `seen`, or the job is finished,
        and at the latest after so many seconds.
        """
        known(ticket_id)
        found = await repository.wait_for_job(ticket_id, seen, wait)
        return job_answer(found) if found else Response(status_code=204)

    add_posts(api, desk)

    @api.post("/{ticket_id}/cancel", summary="Stop a ticket's job", responses={**_UNKNOWN, **_LATE})
    async def cancel(ticket_id: str) -> TicketOut:
        """Stop the job; answered when no agent works on it any more. A finished one stays as it is."""
        known(ticket_id)
        await cancel_or_504(desk, ticket_id)
        return ticket_answer(known(ticket_id))

    return api


def known_ticket(desk: Desk, ticket_id: str) -> StoredTicket:
    """Return the ticket, or answer that there is none."""
    ticket = desk.repository.ticket(ticket_id)
    if ticket is None:
        raise HTTPException(404, f"no ticket {ticket_id!r}")
    return ticket


def add_posts(api: APIRouter, desk: Desk) -> None:
    """Add the routes of what is posted on a ticket: comments and files."""

    @api.post(
        "/{ticket_id}/comments",
        summary="Comment on a ticket",
        status_code=201,
        response_model=TicketOut,
        responses={**_UNKNOWN, **_CONFLICT, 200: {"model": TicketOut, "description": "Posted so already."}},
    )
    async def comment(ticket_id: str, comment: CommentIn, response: Response) -> TicketOut:
        """Post a comment. An agent that works already does not see it.

        The same comment again, known by its `comment_id`, is answered with 200 and posted once; another text with that
        `comment_id` is refused with 409. Without a `comment_id` each is a new one.
        """
        ticket = known_ticket(desk, ticket_id)
        there = ticket.comment(comment.comment_id)
        if there is None:
            ticket = ticket.commented(comment.text, comment.comment_id)
            desk.repository.put_ticket(ticket)
        elif there == comment.text:
            response.status_code = 200
        else:
            raise HTTPException(409, f"comment_id {comment.comment_id!r} belongs to another comment")
        return ticket_answer(ticket)

    @api.get("/{ticket_id}/attachments/{name}", summary="Show an attachment", responses=_UNKNOWN)
    async def attachment(ticket_id: str, name: str) -> AttachmentContent:
        """Return a file that came with the ticket."""
        there = next((a for a in known_ticket(desk, ticket_id).submission.attachments if a.name == name), None)
        if there is None:
            raise HTTPException(404, f"ticket {ticket_id} has no attachment {name!r}")
        return AttachmentContent(**there.described().model_dump(), content=there.content)
