"""Routes under ``/agents``: the vendor's public surface, as far as it makes sense here, and ours."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from pytest_2501bench.engine import recollection
from pytest_2501bench.engine.answers import task_answer
from pytest_2501bench.engine.desk import Desk
from pytest_2501bench.engine.state import StoredTicket
from pytest_2501bench.engine.ticket_routes import cancel_or_504
from pytest_2501bench.engine.wire import (
    AgentChange,
    AgentIn,
    AgentList,
    AgentOut,
    Flushed,
    TaskChange,
    TaskCreated,
    TaskIn,
    TaskList,
    TaskOut,
    TaskStatus,
    TicketIn,
)
from pytest_2501bench.engine.wire_base import Problem
from pytest_2501bench.evidence.model import TaskRecord
from pytest_2501bench.ids import new_id

_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such agent or task."}}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "In conflict with what is there."}}
_LATE: dict[int | str, dict[str, Any]] = {504: {"model": Problem, "description": "The agent still works."}}

DIRECT_DEADLINE = 3600.0
"""Seconds for a task that was given to an agent without a ticket."""


def router(desk: Desk) -> APIRouter:  # noqa: PLR0915 - a list of routes
    """Return the routes on *desk*."""
    api = APIRouter(prefix="/agents", tags=["agents"])
    repository = desk.repository

    def known(agent_id: str) -> AgentOut:
        agent = repository.agent(agent_id)
        if agent is None:
            raise HTTPException(404, f"no agent {agent_id!r}")
        return agent

    def tasks_of(agent_id: str) -> list[tuple[str, TaskRecord]]:
        return [
            (job.ticket_id, task)
            for job in repository.jobs_of(agent_id)
            for task in job.record.tasks or ()
            if task.agent_id == agent_id
        ]

    @api.post(
        "",
        summary="Register an agent",
        status_code=201,
        response_model=AgentOut,
        responses={**_CONFLICT, 200: {"model": AgentOut, "description": "Registered so already."}},
    )
    async def register(agent: AgentIn, response: Response) -> AgentOut:
        """Make an agent known on a registered host.

        The same registration again is answered with 200; another one under the same `agent_id` with 409.
        """
        if repository.host(agent.host_id) is None:
            raise HTTPException(409, f"/host_id: no host {agent.host_id!r} is registered")
        wanted = AgentOut.model_validate({**agent.model_dump(), "agent_id": agent.agent_id or new_id("agt")})
        there = repository.agent(wanted.agent_id)
        if there is not None:
            if there != wanted:
                raise HTTPException(409, f"agent {wanted.agent_id} is registered with other settings")
            response.status_code = 200
            return there
        repository.put_agent(wanted)
        return wanted

    @api.get("", summary="List agents")
    async def list_agents() -> AgentList:
        """Return all registered agents."""
        return AgentList(agents=repository.agents())

    @api.get("/{agent_id}", summary="Show an agent", responses=_UNKNOWN)
    async def show(agent_id: str) -> AgentOut:
        """Return one agent."""
        return known(agent_id)

    @api.put("/{agent_id}", summary="Change an agent", responses=_UNKNOWN)
    async def change(agent_id: str, wanted: AgentChange) -> AgentOut:
        """Change name, specialty or engines; jobs under way are not touched."""
        agent = known(agent_id).model_copy(update=wanted.model_dump(exclude_none=True))
        repository.put_agent(agent)
        return agent

    @api.delete("/{agent_id}", summary="Remove an agent", status_code=204, responses={**_UNKNOWN, **_CONFLICT})
    async def remove(agent_id: str) -> None:
        """Forget an agent; refused while it works."""
        known(agent_id)
        busy = next((ticket for ticket, _ in tasks_of(agent_id) if desk.orchestrator.is_working(ticket)), None)
        if busy is not None:
            raise HTTPException(409, f"agent {agent_id} works on ticket {busy}: cancel it first")
        repository.remove_agent(agent_id)

    @api.post("/{agent_id}/flush", summary="Empty an agent's memory", responses=_UNKNOWN)
    async def flush(agent_id: str) -> Flushed:
        """Make the agent forget earlier jobs, and those under way: what they want it to remember is not kept."""
        known(agent_id)
        return Flushed(agent_id=agent_id, forgotten=recollection.flush(repository, agent_id))

    @api.post("/{agent_id}/tasks", summary="Give an agent a task", status_code=201, responses={**_UNKNOWN, **_CONFLICT})
    async def give(agent_id: str, task: TaskIn) -> TaskCreated:
        """Give an agent a task on its host, by way of a ticket made for it."""
        agent = known(agent_id)
        title = next((line.strip() for line in task.description.splitlines() if line.strip()), "Task")
        ticket = StoredTicket(
            new_id("tkt"),
            TicketIn(
                title=title[:200],
                body=task.description,
                correlation_id=new_id("tkt"),
                host_ids=(agent.host_id,),
                agent_ids=(agent_id,),
                deadline_seconds=DIRECT_DEADLINE,
            ),
            created_at=time.time(),
        )
        repository.put_ticket(ticket)
        desk.orchestrator.start(ticket)
        job = await repository.wait_for_job(ticket.id, 1, 5.0)
        if job is None or not job.record.tasks:
            raise HTTPException(409, f"no task could be made for agent {agent_id}")
        return TaskCreated(id=job.record.tasks[0].id, ticket_id=ticket.id)

    @api.get("/{agent_id}/tasks/{status}", summary="List an agent's tasks", responses=_UNKNOWN)
    async def list_tasks(agent_id: str, status: TaskStatus) -> TaskList:
        """Return the agent's tasks with this status, oldest first."""
        known(agent_id)
        return TaskList(tasks=tuple(task_answer(t) for _, t in tasks_of(agent_id) if t.status == status))

    @api.put("/{agent_id}/tasks/{task_id}", summary="Stop a task", responses={**_UNKNOWN, **_LATE})
    async def stop(agent_id: str, task_id: str, change: TaskChange) -> TaskOut:
        """Stop a task, and with it its whole job; answered when no agent works on it any more."""
        known(agent_id)
        ticket_id = next((ticket for ticket, t in tasks_of(agent_id) if t.id == task_id), None)
        if ticket_id is None:
            raise HTTPException(404, f"agent {agent_id} has no task {task_id!r}")
        await cancel_or_504(desk, ticket_id)
        return task_answer(next(t for _, t in tasks_of(agent_id) if t.id == task_id))

    return api
