"""The shapes that cross the engine's HTTP API. The runner gateway parses answers with the same models.

Requests refuse unknown fields; answers may grow. In an answer ``null`` means *unknown*, an empty list or string means
*nothing*.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, field_validator

from pytest_2501bench.engine.wire_attachments import AttachmentIn, AttachmentOut
from pytest_2501bench.engine.wire_base import (
    AgentId,
    Answer,
    HostId,
    HostName,
    Line,
    Request,
    Text,
    UserName,
    listed,
    whole,
)
from pytest_2501bench.evidence.model import ResolutionStatus, Sighting

API_NAME: Literal["2501bench/1"] = "2501bench/1"
"""What ``GET /health`` answers, so that a client knows that it speaks to an engine with this API."""

MAX_TASKS = 5
"""The contract's hard ceiling of tasks per job."""

TaskStatus = Literal[
    "queued",
    "in_progress",
    "requires_action",
    "cancelling",
    "cancelled",
    "failed",
    "completed",
    "incomplete",
    "expired",
]
JobStatus = Literal["queued", "in_progress", "completed", "failed", "cancelled"]
TicketStatus = Literal["new", "in_progress", "resolved", "closed", "cancelled"]
FINISHED: frozenset[str] = frozenset({"completed", "failed", "cancelled"})


class SshIn(Request):
    """How the engine reaches a host. The host key is always verified."""

    user: UserName
    private_key: SecretStr = Field(
        description="Private key in OpenSSH or PEM form, without a passphrase. Never returned.", max_length=65536
    )
    known_hosts: Text = Field(description="Lines of a known_hosts file that hold the key of `hostname`.")
    hostname: Line = Field(description="The name under which the key stands in `known_hosts` (HostKeyAlias).")
    address: Line = Field(default="127.0.0.1", description="Where to connect, unless there is a `proxy_command`.")
    port: Annotated[int, BeforeValidator(whole)] = Field(default=22, ge=1, le=65535)
    proxy_command: Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\x00\n\r]*$")] | None = Field(
        default=None, description="As in ssh_config. Only an engine on the client's own machine takes it."
    )


class HostIn(Request):
    """A host to register."""

    host_id: HostId
    host_name: HostName = Field(description="The name by which tickets and agents speak of it.", examples=["web-01"])
    ssh: SshIn
    python: Line = Field(default="/usr/bin/python3", description="The Python on the host, for Ansible.")


class HostOut(Answer):
    """A registered host, without its credentials."""

    host_id: str
    host_name: str
    user: str
    address: str
    port: int


class HostList(Answer):
    """All registered hosts."""

    hosts: tuple[HostOut, ...]


class AgentIn(Request):
    """An agent to register."""

    agent_id: AgentId | None = Field(default=None, description="Made by the engine if absent.")
    agent_name: Line
    host_id: HostId
    specialty_key: Line = Field(examples=["SERVICES_MANAGER"])
    main_engine: Line | None = Field(default=None, description="Model key.")
    secondary_engine: Line | None = Field(default=None, description="Model key.")


class AgentChange(Request):
    """What to change of an agent; absent or null: stays as it is."""

    agent_name: Line | None = None
    specialty_key: Line | None = None
    main_engine: Line | None = None
    secondary_engine: Line | None = None


class AgentOut(Answer):
    """A registered agent."""

    agent_id: str
    agent_name: str
    host_id: str
    specialty_key: str
    main_engine: str | None = None
    secondary_engine: str | None = None


class AgentList(Answer):
    """All registered agents."""

    agents: tuple[AgentOut, ...]


class Flushed(Answer):
    """The memory of an agent is empty now."""

    agent_id: str
    forgotten: int = Field(description="How many entries were removed.")


class TaskIn(Request):
    """A task given to an agent directly, without a ticket of one's own."""

    description: Text = Field(min_length=1, description="What to do; also the body of the ticket made for it.")


class TaskCreated(Answer):
    """The new task."""

    id: str
    ticket_id: str = Field(description="The ticket made for it.")


class TaskChange(Request):
    """The only change a client can make: stop it (with its whole job)."""

    status: Literal["cancelled"]


class TicketIn(Request):
    """A ticket to work."""

    title: Text = Field(min_length=1)
    body: Text
    correlation_id: Line = Field(description="Opaque and unique: sent twice with the same content it is one ticket.")
    host_ids: tuple[HostId, ...] = Field(default=(), max_length=64, description="Hosts that the ticket is about.")
    agent_ids: tuple[AgentId, ...] = Field(default=(), max_length=64, description="Agents that shall work it.")
    deadline_seconds: float = Field(
        gt=0, le=604_800, description="The client cancels after this time; the engine does by itself a little later."
    )
    main_engine: Line | None = Field(default=None, description="In place of the agents' own.")
    secondary_engine: Line | None = Field(default=None, description="In place of the agents' own.")
    specialty: Line | None = Field(default=None, description="In place of the agents' own; also chooses among them.")
    parallel: bool | None = Field(default=None, description="Tasks at the same time? Null: as the engine was started.")
    reference: Line | None = Field(default=None, description="Its number in a ticketing system.", examples=["INC001"])
    priority: Line | None = None
    assignment_group: Line | None = None
    environment: Line | None = None
    requester: Line | None = None
    tags: tuple[Line, ...] = Field(default=(), max_length=64, description="For operational rules.")
    comments: tuple[Text, ...] = Field(default=(), max_length=256, description="What was said on it so far.")
    attachments: tuple[AttachmentIn, ...] = Field(default=(), max_length=32)
    oracle_playbook: Line | None = Field(default=None, description="Path of what the oracle plays; same machine only.")
    oracle_inventory: Line | None = Field(default=None, description="Path of an inventory that goes with it.")

    @field_validator("host_ids", "agent_ids", "tags", "comments", "attachments", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        return listed(value)

    @field_validator("attachments")
    @classmethod
    def _names_differ(cls, value: tuple[AttachmentIn, ...]) -> tuple[AttachmentIn, ...]:
        names = [attachment.name.lower() for attachment in value]
        if len(set(names)) < len(names):
            raise ValueError("Two attachments have the same name")
        return value


class TicketCreated(Answer):
    """The reference of a ticket."""

    id: str


class CommentIn(Request):
    """Something to post on a ticket."""

    text: Text = Field(min_length=1)
    comment_id: Line | None = Field(default=None, description="Opaque; sent twice with one ticket it is one comment.")


class TicketOut(Answer):
    """A ticket as it stands."""

    id: str
    correlation_id: str
    status: TicketStatus
    title: str
    body: str
    comments: tuple[str, ...] | None = Field(default=None, description="What was posted on the ticket, oldest first.")
    summary: str | None = Field(default=None, description="The resolution note; null until there is one.")
    created_at: float | None = None
    reference: str | None = None
    priority: str | None = None
    assignment_group: str | None = None
    environment: str | None = None
    requester: str | None = None
    tags: tuple[str, ...] | None = None
    attachments: tuple[AttachmentOut, ...] | None = None


class TicketList(Answer):
    """Tickets, newest first."""

    tickets: tuple[TicketOut, ...]


class CommandOut(Answer):
    """One command that ran on a host."""

    command: str
    exit_status: int | None = None
    started_at: float | None = Field(default=None, description="Unix seconds.")
    duration: float | None = Field(default=None, ge=0, description="Seconds.")
    host: str | None = None
    seen: Sighting | None = Field(default=None, description="How a recorder on the way to the host saw it.")


class TaskOut(Answer):
    """One agent's work on one host."""

    id: str = Field(min_length=1)
    status: TaskStatus
    agent_id: str | None = None
    agent_name: str | None = None
    host_id: str | None = None
    host_name: str | None = None
    description: str | None = None
    plan: str | None = None
    summary: str | None = None
    executed_commands: tuple[CommandOut, ...] | None = None
    claimed_commands: tuple[CommandOut, ...] | None = Field(default=None, description="What the agent says it ran.")
    agent_messages: tuple[str, ...] | None = None
    operational_rules: tuple[str, ...] | None = None
    started_at: float | None = None
    finished_at: float | None = None
    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)


class JobOut(Answer):
    """What became of a ticket."""

    id: str = Field(min_length=1)
    revision: int = Field(ge=0, description="Grows when the job's or a task's status changes; for `seen`.")
    status: JobStatus
    resolution_status: ResolutionStatus | None = None
    resolution_summary: str | None = None
    plan: str | None = None
    tasks: tuple[TaskOut, ...] | None = None
    main_engine: str | None = None
    secondary_engine: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    cut_off: bool = Field(
        default=False, description="The engine, or what the agent works with, died while the agent was at work."
    )
    model_unreachable: bool = Field(
        default=False, description="The agent's model could not be used; `resolution_summary` says why."
    )


class TaskList(Answer):
    """Tasks of an agent."""

    tasks: tuple[TaskOut, ...]


class Health(Answer):
    """The engine is up."""

    status: Literal["ok"]
    api: Literal["2501bench/1"]
    version: str
