"""Routes under ``/intake``, of an engine that gets its tickets from a ticketing system."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, HTTPException, Response
from fastapi import Path as PathParameter

from pytest_2501bench.engine.desk import Desk
from pytest_2501bench.engine.intake_wire import Announcement, Expected
from pytest_2501bench.engine.wire_base import Problem

_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "Names what is not registered."}}

CorrelationId = Annotated[str, PathParameter(max_length=100, pattern=r"^[A-Za-z0-9_.:@-]+$")]


class Expecting(Protocol):
    """What takes records, once it knows of them."""

    def expect(self, correlation_id: str, announcement: Announcement) -> None:
        """Take the record with *correlation_id* when it appears."""
        ...

    def forget(self, correlation_id: str) -> None:
        """Do not take it; return when no ticket begins for it any more."""
        ...


def router(intake: Expecting, desk: Desk) -> APIRouter:
    """Return the routes on *intake*."""
    api = APIRouter(prefix="/intake", tags=["intake"])

    # async: not in a worker thread, so what the repository says is the loop's view
    @api.put("/{correlation_id}", summary="Announce a record", responses=_CONFLICT)
    async def announce(correlation_id: CorrelationId, announcement: Announcement) -> Expected:
        """Take the record with this correlation id when it appears in the ticketing system.

        Announced again, the newer announcement counts, as long as the record was not found. Only an engine that takes
        tickets from a ticketing system has this.
        """
        if announcement.oracle_playbook and not desk.same_machine:
            raise HTTPException(422, "/oracle_playbook: only an engine on the client's own machine takes it")
        for n, host_id in enumerate(announcement.host_ids):
            if desk.repository.host(host_id) is None:
                raise HTTPException(409, f"/host_ids/{n}: no host {host_id!r} is registered")
        for n, agent_id in enumerate(announcement.agent_ids):
            if desk.repository.agent(agent_id) is None:
                raise HTTPException(409, f"/agent_ids/{n}: no agent {agent_id!r} is registered")
        intake.expect(correlation_id, announcement)
        return Expected(correlation_id=correlation_id)

    @api.delete("/{correlation_id}", summary="Withdraw an announcement", status_code=204, response_class=Response)
    def withdraw(correlation_id: CorrelationId) -> None:
        """Do not take the record. A ticket that it became already stays: cancel that.

        Answered when no ticket can begin for it any more; hence in a thread, which waits for one that is beginning.
        """
        intake.forget(correlation_id)

    return api
