"""What the model may call, and what is wrong with a call that cannot be carried out."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pytest_2501bench.agents.llm.talk import Tool, ToolCall

Text = Annotated[str, StringConstraints(min_length=1)]
HostName = Annotated[Text, Field(description="Name of one of the ticket's hosts.")]


class _Call(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunCommand(_Call):
    """Run a shell command on a host, without a terminal and without input. You get its status and output."""

    host: HostName
    command: Annotated[Text, StringConstraints(pattern=r"^[^\x00]*$")]
    timeout: float = Field(default=120.0, gt=0, le=3600, description="Seconds after which it is ended.")


class ReadFile(_Call):
    """Read a text file on a host."""

    host: HostName
    path: Text


class WriteFile(_Call):
    """Write a whole text file on a host, in place of what is there. Owner and mode of an existing file stay."""

    host: HostName
    path: Text
    content: str
    mode: Annotated[str, StringConstraints(pattern=r"^[0-7]{3,4}$")] | None = Field(
        default=None, description="Octal, as in 0644."
    )


class Finish(_Call):
    """End your work on the ticket with a report. Call it exactly once, when you have checked the result."""

    status: Literal["success", "partial", "no_action", "failure"] = Field(
        description="success: done; partial: in part; no_action: nothing was to do; failure: you could not do it."
    )
    report: Text = Field(description="For the people behind the ticket: cause, what was changed, how it was checked.")
    memory: str | None = Field(
        default=None,
        max_length=20_000,
        description="What to remember for later tickets, in place of your notes so far.",
    )


class Review(_Call):
    """Say whether the work on the ticket may be handed over as it is."""

    approved: bool
    objections: str = Field(default="", description="What has to be done before, if it is not approved.")


Request: TypeAlias = RunCommand | ReadFile | WriteFile | Finish

_EXECUTOR: Mapping[str, type[Request]] = MappingProxyType(
    {"run_command": RunCommand, "read_file": ReadFile, "write_file": WriteFile, "finish": Finish}
)


class MistakeError(Exception):
    """A call that cannot be carried out; the text is for the model."""


def _tool(name: str, model: type[BaseModel]) -> Tool:
    schema: dict[str, Any] = model.model_json_schema()
    for part in (schema, *schema["properties"].values()):
        part.pop("title", None)
    return Tool(name, " ".join(str(schema.pop("description")).split()), schema)


EXECUTOR_TOOLS: tuple[Tool, ...] = tuple(_tool(name, model) for name, model in _EXECUTOR.items())
REVIEW_TOOL = _tool("review", Review)


def request_of(call: ToolCall, hosts: Sequence[str]) -> Request:
    """Return what *call* asks for.

    Raises:
        MistakeError: no such tool or host, or arguments that are missing, superfluous or no JSON.
    """
    model = _EXECUTOR.get(call.name)
    if model is None:
        near = difflib.get_close_matches(call.name, _EXECUTOR, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise MistakeError(f"There is no tool {call.name!r}. Tools: {', '.join(_EXECUTOR)}.{hint}")
    request: Request = _validated(call, model)
    if not isinstance(request, Finish) and request.host not in hosts:
        raise MistakeError(f"{call.name}: host {request.host!r} is not one of the ticket's hosts: {', '.join(hosts)}.")
    return request


def review_of(call: ToolCall) -> Review:
    """Return the review that *call* gives.

    Raises:
        MistakeError: it is none.
    """
    if call.name != "review":
        raise MistakeError(f"There is no tool {call.name!r}. The one tool: review.")
    review: Review = _validated(call, Review)
    return review


def _validated(call: ToolCall, model: type[Any]) -> Any:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError as error:
        raise MistakeError(f"{call.name}: the arguments are no valid JSON: {error}.") from None
    if not isinstance(arguments, dict):
        raise MistakeError(f"{call.name}: the arguments must be a JSON object.")
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        wrong = "; ".join(f"{'/'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()[:5])
        raise MistakeError(f"{call.name}: {wrong}. Arguments: {', '.join(model.model_fields)}.") from None
