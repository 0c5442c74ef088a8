"""Writes down what is said, without keys: whole messages as JSON lines, and for the job's record as they come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pytest_2501bench.agents.llm.limits import Meter
from pytest_2501bench.agents.llm.talk import Answer, Model, Tool, ToolCall, Turn
from pytest_2501bench.bastion.redaction import Redaction

Part = Literal["main", "plan", "review"]
"""Who is spoken with: the main engine, or the secondary one as planner or reviewer."""


class Record:
    """One ticket's messages. Each is in the file when the next one begins."""

    def __init__(self, path: Path, redaction: Redaction, say: Callable[[str], None]) -> None:
        """Write to *path*, and *say* to the job's record what people want to follow."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._redaction = redaction
        self._say = say

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def say(self, text: str) -> None:
        """Put a line into the job's record."""
        if text.strip():
            self._say(self._redaction.text(text).replace("\x00", "�"))

    def message(self, part: Part, role: str, text: str, **more: Any) -> None:
        """Put a message into the file."""
        line = {"at": round(time.time(), 3), "part": part, "role": role, "text": text, **more}
        known = {name: _clean(value, self._redaction) for name, value in line.items() if value is not None}
        self._file.write(json.dumps(known, ensure_ascii=False) + "\n")
        self._file.flush()

    def paragraphs(self) -> Paragraphs:
        """Return who says an answer's text while it comes."""
        return Paragraphs(self._say, self._redaction)


class Paragraphs:
    """Says a text that comes in pieces, a paragraph at a time."""

    def __init__(self, say: Callable[[str], None], redaction: Redaction) -> None:
        self._say = say
        self._stream = redaction.stream()
        self._rest = ""

    def feed(self, text: str) -> None:
        """Take a piece."""
        self._take(self._stream.feed(text))

    def end(self) -> None:
        """Say what is left."""
        self._take(self._stream.end() + "\n\n")

    def _take(self, text: str) -> None:
        *whole, self._rest = (self._rest + text).split("\n\n")
        for paragraph in whole:
            if paragraph.strip():
                self._say(paragraph.strip().replace("\x00", "�"))


class Conversation:
    """One conversation with one model: asks, counts, and writes down."""

    def __init__(
        self, part: Part, model: Model, *, system: str, tools: Sequence[Tool], record: Record, meter: Meter
    ) -> None:
        self._part = part
        self._model = model
        self._system = system
        self._tools = tools
        self._record = record
        self._meter = meter
        self._turns: list[Turn] = []
        record.message(part, "system", system, model=model.name)

    def tell(self, text: str) -> None:
        """Say something to the model, with its next turn."""
        self._record.message(self._part, "user", text)
        self._turns.append(Turn("user", text))

    def answer_call(self, call: ToolCall, text: str) -> None:
        """Give what a tool answered."""
        self._record.message(self._part, "tool", text, call_id=call.id, name=call.name)
        self._turns.append(Turn("tool", text, call_id=call.id))

    async def ask(self) -> Answer:
        """Return what the model says now.

        Raises:
            Stopped: a limit is reached.
            BenchError: ``model_unreachable``.
        """
        self._meter.check()
        if self._part == "main":
            self._meter.turns += 1
        start = time.monotonic()
        spoken = self._record.paragraphs()
        try:
            answer = await self._model.answer(self._system, self._turns, self._tools, spoken.feed)
        finally:
            spoken.end()
        self._turns.append(Turn("assistant", answer.text, answer.calls))
        usage = answer.usage
        self._record.message(
            self._part,
            "assistant",
            answer.text,
            model=self._model.name,
            tool_calls=[{"id": c.id, "name": c.name, "arguments": c.arguments} for c in answer.calls] or None,
            stop=answer.stop,
            seconds=round(time.monotonic() - start, 3),
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            cached_tokens=usage.cached_tokens if usage else None,
            cost_usd=self._meter.cost_of(self._model.name, usage),
        )
        self._meter.add(self._model.name, usage)
        return answer


def _clean(value: Any, redaction: Redaction) -> Any:
    match value:
        case str():
            return redaction.text(value)
        case dict():
            return {name: _clean(part, redaction) for name, part in value.items()}
        case list():
            return [_clean(part, redaction) for part in value]
        case _:
            return value
