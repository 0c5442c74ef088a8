"""An engine with hosts and agents of which nobody needs to exist, and tickets for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_2501bench.engine.wire import AgentOut, TicketIn
from pytest_2501bench.gateway.protocol import AgentRegistration, HostRegistration, TicketSubmission
from pytest_2501bench.sandbox.protocol import Host, SshSettings

NOWHERE = Path("/nonexistent")


def host_body(n: int = 1, **ssh: Any) -> dict[str, Any]:
    """What ``POST /hosts`` takes."""
    return {
        "host_id": f"hst_{n}",
        "host_name": f"web-0{n}",
        "ssh": {"user": "root", "private_key": "CANARY", "known_hosts": "", "hostname": f"sbx-{n}"} | ssh,
    }


def agent_body(n: int = 1, **more: Any) -> dict[str, Any]:
    """What ``POST /agents`` takes."""
    return {"agent_id": f"agt_{n}", "agent_name": f"Fixer {n}", "host_id": f"hst_{n}", "specialty_key": "ANY"} | more


def ticket_body(*hosts: int, correlation_id: str = "c-1", **more: Any) -> dict[str, Any]:
    """What ``POST /tickets`` takes."""
    return {
        "title": "The site is down",
        "body": "Visitors get an error.",
        "correlation_id": correlation_id,
        "host_ids": [f"hst_{n}" for n in hosts],
        "agent_ids": [],
        "deadline_seconds": 60.0,
    } | more


def ticket_in(*hosts: int, **more: Any) -> TicketIn:
    """The same, parsed."""
    return TicketIn.model_validate(ticket_body(*hosts, **more))


def host(n: int = 1) -> Host:
    """A host as the engine keeps it."""
    return Host(f"hst_{n}", f"web-0{n}", SshSettings("root", NOWHERE, NOWHERE, f"sbx-{n}"))


def agent(n: int = 1) -> AgentOut:
    """An agent as the engine keeps it."""
    return AgentOut(agent_id=f"agt_{n}", agent_name=f"Fixer {n}", host_id=f"hst_{n}", specialty_key="ANY")


def registrations(folder: Path, count: int = 1) -> tuple[list[HostRegistration], list[AgentRegistration]]:
    """Hosts and agents for a gateway; their key is a file in *folder*."""
    key = folder / "some_key"
    key.write_text("CANARY")
    hosts = [
        HostRegistration(f"hst_{n}", f"web-0{n}", SshSettings("root", key, key, f"sbx-{n}"))
        for n in range(1, count + 1)
    ]
    agents = [AgentRegistration(f"agt_{n}", f"Fixer {n}", f"hst_{n}", "ANY") for n in range(1, count + 1)]
    return hosts, agents


def submission(*hosts: int, **more: Any) -> TicketSubmission:
    """A ticket for a gateway."""
    fields: dict[str, Any] = {
        "title": "The site is down",
        "body": "Visitors get an error.",
        "correlation_id": "c-1",
        "host_ids": tuple(f"hst_{n}" for n in hosts),
        "agent_ids": (),
        "deadline_seconds": 60.0,
    }
    return TicketSubmission(**fields | more)
