"""Which agents work a ticket, and on which hosts: one task per host."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_2501bench.engine.state import Repository
from pytest_2501bench.engine.wire import AgentOut, TicketIn
from pytest_2501bench.sandbox.protocol import Host


@dataclass(frozen=True, slots=True)
class Route:
    """One task to be."""

    agent: AgentOut
    host: Host


def route(repository: Repository, ticket: TicketIn) -> tuple[Route, ...]:
    """Return one route per host of *ticket*, in the order in which it names them.

    The hosts are those that the ticket names, then those of the agents that it names. A host is worked by the first
    agent named in the ticket that is on it, or else by the first one registered on it; a host without an agent gets
    no task.
    """
    named = [agent for agent_id in ticket.agent_ids if (agent := repository.agent(agent_id))]
    host_ids = dict.fromkeys((*ticket.host_ids, *(agent.host_id for agent in named)))
    candidates = (*named, *repository.agents())
    routes: list[Route] = []
    for host_id in host_ids:
        stored = repository.host(host_id)
        agent = next((a for a in candidates if a.host_id == host_id), None)
        if stored is not None and agent is not None:
            routes.append(Route(agent, stored.host))
    return tuple(routes)
