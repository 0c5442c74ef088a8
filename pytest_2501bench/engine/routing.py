"""Which agents work a ticket, and on which hosts: one task per host."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from pytest_2501bench.engine.state import Repository
from pytest_2501bench.engine.wire import AgentOut, TicketIn
from pytest_2501bench.sandbox.protocol import Host


@dataclass(frozen=True, slots=True)
class Route:
    """One task to be."""

    agent: AgentOut
    host: Host


def names(text: str, word: str) -> int | None:
    """Return where *text* names *word* for the first time: whole, in any case, not as a part of a longer name."""
    # A full stop may end a sentence, or go on with a domain: web-01.example.com is another name than web-01.
    pattern = rf"(?<![A-Za-z0-9._-]){re.escape(word)}(?![A-Za-z0-9_-]|\.[A-Za-z0-9])"
    found = re.search(pattern, text, re.IGNORECASE)
    return found.start() if found else None


def route(repository: Repository, ticket: TicketIn) -> tuple[Route, ...]:
    """Return one route per host of *ticket*.

    The hosts are those whose ids the ticket gives, then those of the agents whose ids it gives. Without ids they are
    those that its text names, in the order of naming (a name that several hosts have names none); without such either,
    those of the agents of its specialty: the one it asks for, else one that its text or its assignment group names.

    A host is worked by the first agent on it whose id the ticket gives; or else by the first one of the specialty that
    it asks for, or else by the first one registered on it. A host without an agent gets no task.
    """
    given = [agent for agent_id in ticket.agent_ids if (agent := repository.agent(agent_id))]
    everybody = repository.agents()
    asked = [agent for agent in everybody if ticket.specialty and _same(agent.specialty_key, ticket.specialty)]
    host_ids = list(dict.fromkeys((*ticket.host_ids, *(agent.host_id for agent in given))))
    if not ticket.host_ids and not ticket.agent_ids:
        host_ids = named_hosts(repository, ticket)
        if not host_ids:
            asked = asked or _of_named_specialty(everybody, ticket)
            host_ids = list(dict.fromkeys(agent.host_id for agent in asked))
    routes: list[Route] = []
    for host_id in host_ids:
        stored = repository.host(host_id)
        agent = next((a for a in (*given, *asked, *everybody) if a.host_id == host_id), None)
        if stored is not None and agent is not None:
            routes.append(Route(agent, stored.host))
    return tuple(routes)


def named_hosts(repository: Repository, ticket: TicketIn) -> list[str]:
    """Return the ids of the hosts that the ticket's title or body names, in the order of naming."""
    text = f"{ticket.title}\n{ticket.body}"
    hosts = [stored.host for stored in repository.hosts()]
    bearers = Counter(host.host_name.lower() for host in hosts)
    places = {host.host_id: names(text, host.host_name) for host in hosts if bearers[host.host_name.lower()] == 1}
    return [host_id for _, host_id in sorted((place, i) for i, place in places.items() if place is not None)]


def _of_named_specialty(agents: tuple[AgentOut, ...], ticket: TicketIn) -> list[AgentOut]:
    text = f"{ticket.title}\n{ticket.body}"
    return [
        agent
        for agent in agents
        if names(text, agent.specialty_key) is not None
        or (ticket.assignment_group and _same(agent.specialty_key, ticket.assignment_group))
    ]


def _same(specialty: str, other: str) -> bool:
    """Say whether two words mean one specialty: "Services Manager" is SERVICES_MANAGER."""
    return re.sub(r"[^a-z0-9]+", "_", specialty.lower()) == re.sub(r"[^a-z0-9]+", "_", other.lower())
