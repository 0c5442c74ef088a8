"""What the runner gateway sends: hosts with their keys, agents and tickets, in the shapes of the engine's API."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path

from pydantic import ValidationError

from pytest_2501bench.engine.wire import AgentIn, HostIn, SshIn, TicketIn
from pytest_2501bench.engine.wire_attachments import AttachmentIn
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.gateway.protocol import AgentRegistration, HostRegistration, TicketSubmission


def ticket_body(ticket: TicketSubmission) -> TicketIn:
    """Return the ticket as it is submitted.

    Raises:
        BenchError: ``submit_failed``: an attachment cannot be read, or sent under its name.
    """
    return TicketIn(
        title=ticket.title,
        body=ticket.body,
        correlation_id=ticket.correlation_id,
        host_ids=tuple(ticket.host_ids),
        agent_ids=tuple(ticket.agent_ids),
        deadline_seconds=float(ticket.deadline_seconds),
        main_engine=ticket.main_engine,
        secondary_engine=ticket.secondary_engine,
        specialty=ticket.specialty,
        oracle_playbook=_path(ticket.oracle_playbook),
        oracle_inventory=_path(ticket.oracle_inventory),
        attachments=tuple(_attachment(path) for path in ticket.attachments),
    )


def _path(path: Path | None) -> str | None:
    return str(path.absolute()) if path else None


def _attachment(path: Path) -> AttachmentIn:
    try:
        content = base64.b64encode(path.read_bytes()).decode()
        guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return AttachmentIn(name=path.name, content_type=guessed, content=content)
    except OSError as error:
        raise BenchError(Cause.SUBMIT_FAILED, f"attachment {path.name}: {error.strerror}") from None
    except ValidationError as error:
        why = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise BenchError(Cause.SUBMIT_FAILED, f"attachment {path.name}: {why}") from None


def host_body(host: HostRegistration) -> dict[str, object]:
    """Return the registration as it is sent: the one place where the key stands in clear.

    Raises:
        BenchError: ``submit_failed``: the key cannot be read.
    """
    try:
        key = host.ssh.identity_file.read_text()
        known_hosts = host.ssh.known_hosts.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(Cause.SUBMIT_FAILED, f"host {host.host_name}: its SSH key cannot be read: {error}") from None
    model = HostIn(
        host_id=host.host_id,
        host_name=host.host_name,
        python=host.python,
        ssh=SshIn.model_validate(
            {
                "user": host.ssh.user,
                "private_key": key,
                "known_hosts": known_hosts,
                "hostname": host.ssh.hostname,
                "address": host.ssh.address,
                "port": host.ssh.port,
                "proxy_command": host.ssh.proxy_command,
            }
        ),
    )
    body = model.model_dump(mode="json")
    body["ssh"]["private_key"] = key
    return body


def agent_body(agent: AgentRegistration) -> AgentIn:
    """Return the agent as it is registered."""
    return AgentIn(
        agent_id=agent.agent_id,
        agent_name=agent.agent_name,
        host_id=agent.host_id,
        specialty_key=agent.specialty_key,
    )
