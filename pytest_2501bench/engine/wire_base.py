"""What the shapes of the engine's API have in common: identifiers, one-line texts, requests and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_ID = r"^[a-z]{3}_[A-Za-z0-9_-]{1,64}$"
HostId = Annotated[str, StringConstraints(pattern=_ID), Field(examples=["hst_7kq2mv9x4tzn"])]
AgentId = Annotated[str, StringConstraints(pattern=_ID), Field(examples=["agt_7kq2mv9x4tzn"])]
RuleId = Annotated[str, StringConstraints(pattern=_ID), Field(examples=["rul_7kq2mv9x4tzn"])]
# One line without control characters: it ends up in ssh_config, known_hosts and argument lists.
Line = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?$")]
UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_.@-]{0,63}$")]
Text = Annotated[str, StringConstraints(max_length=1_000_000, pattern=r"^[^\x00]*$")]
SpecialtyKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,128}$"), Field(examples=["INVESTIGATOR"])]


class Request(BaseModel):
    """What a client sends: unknown fields are refused, nothing is coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """What the engine says. Unknown fields are left alone, so that the API can grow."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Problem(Answer):
    """Why a request was refused, in one line."""

    detail: str


def whole(value: object) -> object:
    """Take 22.0 for 22, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def listed(value: object) -> object:
    """Take a list for a tuple: JSON has no tuples, and strict mode takes none from Python objects."""
    return tuple(value) if isinstance(value, list) else value
