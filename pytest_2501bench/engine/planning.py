"""From a ticket to its tasks, and from the tasks' records to what an agent is asked to do."""

from __future__ import annotations

from pytest_2501bench.agents.protocol import Intent, TaskAssignment
from pytest_2501bench.engine.intent import intent_of
from pytest_2501bench.engine.routing import route
from pytest_2501bench.engine.rules import matching
from pytest_2501bench.engine.state import Repository
from pytest_2501bench.engine.wire import TicketIn
from pytest_2501bench.evidence.model import TaskRecord
from pytest_2501bench.ids import new_id


def tasks_for(repository: Repository, ticket: TicketIn) -> tuple[TaskRecord, ...]:
    """Return one queued task per host of *ticket*, with the operational rules that go into it."""
    return tuple(
        TaskRecord(
            id=new_id("tsk"),
            status="queued",
            agent_id=r.agent.agent_id,
            agent_name=r.agent.agent_name,
            host_id=r.host.host_id,
            host_name=r.host.host_name,
            description=f"{ticket.title} (on {r.host.host_name})",
            operational_rules=matching(repository.rules(), ticket, ticket.specialty or r.agent.specialty_key),
        )
        for r in route(repository, ticket)
    )


def assigned(repository: Repository, ticket: TicketIn, tasks: tuple[TaskRecord, ...]) -> tuple[TaskAssignment, ...]:
    """Return what the agents of *tasks* are asked to do.

    Raises:
        LookupError: an agent or a host of them is not registered any more; its text says which.
    """
    wanted = intent_of(ticket)
    careful = {s.specialty_key.casefold() for s in repository.specialties() if s.investigate_only}
    made = []
    for task in tasks:
        agent = repository.agent(task.agent_id or "")
        host = repository.host(task.host_id or "")
        if agent is None or host is None:
            raise LookupError(f"host {task.host_name}" if host is None else f"agent {task.agent_name}")
        specialty = ticket.specialty or agent.specialty_key
        intent: Intent | None = "investigate" if specialty.casefold() in careful else wanted
        made.append(
            TaskAssignment(
                task_id=task.id,
                host=host.host,
                agent_id=agent.agent_id,
                agent_name=agent.agent_name,
                specialty_key=specialty,
                intent=intent,
                operational_rules=task.operational_rules or (),
            )
        )
    return tuple(made)


def held_back(ticket: TicketIn, task: TaskAssignment) -> bool:
    """Say whether *ticket* wants a repair that the specialty of *task* does not allow."""
    return task.intent == "investigate" and intent_of(ticket) != "investigate"


def engines_of(repository: Repository, ticket: TicketIn, agent_ids: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return main and secondary engine: the ticket's, else those of the first of the agents that has its own."""
    agents = [agent for agent_id in agent_ids if (agent := repository.agent(agent_id))]
    main = ticket.main_engine or next((a.main_engine for a in agents if a.main_engine), None)
    secondary = ticket.secondary_engine or next((a.secondary_engine for a in agents if a.secondary_engine), None)
    return main, secondary
