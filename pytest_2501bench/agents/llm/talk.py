"""What is said between us and a model, in no API's own form; :class:`Model` is the seam to the two that there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Stop = Literal["done", "length", "refused", "context"]
"""Why an answer ended: by itself, at its longest, because the model refused, because nothing more fits its context."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish. *arguments* is what it wrote, which need not be JSON."""

    id: str
    name: str
    arguments: str

    def as_object(self) -> dict[str, Any]:
        """Return the arguments as both APIs take them back: an object, whatever the model wrote."""
        try:
            value = json.loads(self.arguments or "{}")
        except ValueError:
            value = None
        return value if isinstance(value, dict) else {"malformed": self.arguments}


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation; *call_id*: the call that a tool's message answers."""

    role: Literal["user", "assistant", "tool"]
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model may call."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer. *cached_tokens* and *cache_written_tokens* are parts of *input_tokens*."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_written_tokens: int = 0
    cost_usd: float | None = None  # where the endpoint itself says it


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    stop: Stop = "done"


class BrokenAnswerError(Exception):
    """An answer broke off, or was none; nothing was done because of it, so it may be asked for again."""


class Stopped(Exception):  # noqa: N818 - no error: how some work ends
    """The agent's work ends without a report of its own. The reason is one line, and the agent's doing."""


class Model(Protocol):
    """One model behind an API."""

    name: str  # PROVIDER/MODEL

    async def answer(
        self, system: str, turns: Sequence[Turn], tools: Sequence[Tool], on_text: Callable[[str], None]
    ) -> Answer:
        """Return the model's next message; *on_text* gets its text as it comes.

        Raises:
            BrokenAnswerError: the answer broke off.
            BenchError: ``model_unreachable``: there is no answer to be had.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
