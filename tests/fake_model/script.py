"""What the fake says, and when.

A script is a list of conversations. A request belongs to the first one whose *model* (if given) is the request's, and
whose *when* stands in the system prompt or the first user message. The step is the number of answers that the request
already has in it: so a script can be replayed any number of times. *faults* of a step come first, once each.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fault(_Part):
    """What happens in place of an answer."""

    status: int = 200  # an HTTP error
    message: str = "a fault that the script wants"
    kind: str = "server_error"  # the error's type
    retry_after: float | None = None  # seconds
    cut: bool = False  # the connection ends in the middle of the stream
    unfinished: bool = False  # the stream ends properly, but not the answer
    garbage: bool = False  # an event that is no JSON
    error_event: bool = False  # an error in the middle of the stream


class Call(_Part):
    """A tool call. *arguments* as text are sent as they are, however malformed."""

    name: str
    arguments: dict[str, Any] | str = {}


class Step(_Part):
    """One answer."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    refusal: bool = False
    too_long: bool = False  # cut at its longest
    usage: tuple[int, int] | None = (100, 20)  # input and output tokens
    cost: float | None = None  # USD, as some gateways say it
    seconds: float = 0.0  # how long it takes
    faults: tuple[Fault, ...] = ()


class Talk(_Part):
    """One conversation."""

    steps: tuple[Step, ...]
    when: str = ""
    model: str | None = None


class Script(_Part):
    """All conversations."""

    talks: tuple[Talk, ...]
