"""The shapes of an intake: what the engine is told of a ticket that it will find in a ticketing system."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from pytest_2501bench.engine.wire_base import AgentId, Answer, HostId, Line, Request, listed, whole


class Announcement(Request):
    """What a record of a ticketing system cannot hold; the rest stands there."""

    host_ids: tuple[HostId, ...] = Field(default=(), max_length=64)
    agent_ids: tuple[AgentId, ...] = Field(default=(), max_length=64)
    deadline_seconds: float = Field(default=3600.0, gt=0, le=604_800)
    main_engine: Line | None = None
    secondary_engine: Line | None = None
    specialty: Line | None = None
    oracle_playbook: Line | None = None
    oracle_inventory: Line | None = None
    attachments: Annotated[int, BeforeValidator(whole)] = Field(
        default=0, ge=0, le=32, description="Files that the record will have; the engine waits for them."
    )

    @field_validator("host_ids", "agent_ids", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        return listed(value)


class Expected(Answer):
    """The engine takes the record with this correlation id as soon as it finds it."""

    correlation_id: str
