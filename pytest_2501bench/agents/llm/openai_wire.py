"""A model behind OpenAI's chat completions API, which many servers speak, by OpenAI's own client library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import openai

from pytest_2501bench.agents.llm.endpoint import Endpoint
from pytest_2501bench.agents.llm.talk import Answer, BrokenAnswerError, Stop, Tool, ToolCall, Turn, Usage
from pytest_2501bench.agents.llm.trouble import (
    CONNECT_SECONDS,
    READ_SECONDS,
    RETRIES,
    model_unreachable,
    refused_request,
    said,
)

_STOPS: dict[str, Stop] = {"length": "length", "content_filter": "refused"}


class OpenAiModel:
    """See :class:`~pytest_2501bench.agents.llm.talk.Model`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = endpoint.name
        self._endpoint = endpoint
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.key or "none",
            base_url=endpoint.url,
            max_retries=RETRIES,
            timeout=openai.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )
        if endpoint.provider != "openai":  # the library takes them from variables that are meant for OpenAI alone
            self._client.organization = None
            self._client.project = None

    async def answer(
        self, system: str, turns: Sequence[Turn], tools: Sequence[Tool], on_text: Callable[[str], None]
    ) -> Answer:
        """Return the model's next message."""
        request: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": [{"role": "system", "content": system}, *map(_message, turns)],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            request["tools"] = [_tool(tool) for tool in tools]
        try:
            return await self._read(await self._client.chat.completions.create(**request), on_text)
        except openai.APIStatusError as error:
            return Answer("", stop=refused_request(self._endpoint, error.status_code, said(error.body, error.message)))
        except openai.APIConnectionError as error:
            raise model_unreachable(self._endpoint, f"no answer: {error.__cause__ or error}") from None
        except openai.APIError as error:  # an answer that is none
            raise BrokenAnswerError(error.message) from None

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    async def _read(self, stream: Any, on_text: Callable[[str], None]) -> Answer:
        text: list[str] = []
        calls: dict[int, list[str]] = {}
        stop, refused, usage = None, "", None
        async for chunk in _unbroken(stream):
            usage = _usage(chunk.usage) or usage
            for choice in chunk.choices or ():
                delta = choice.delta
                stop = choice.finish_reason or stop
                if delta is None:
                    continue
                refused += getattr(delta, "refusal", None) or ""
                if delta.content:
                    text.append(delta.content)
                    on_text(delta.content)
                for part in delta.tool_calls or ():
                    call = calls.setdefault(part.index or 0, ["", "", ""])
                    call[0] = part.id or call[0]
                    if part.function is not None:
                        call[1] += part.function.name or ""
                        call[2] += part.function.arguments or ""
        if stop is None:
            raise BrokenAnswerError("the stream ended in the middle of an answer")
        made = tuple(ToolCall(id_ or f"call_{n}", name, words) for n, (id_, name, words) in sorted(calls.items()))
        return Answer("".join(text) or refused, made, usage, "refused" if refused else _STOPS.get(stop, "done"))


async def _unbroken(stream: Any) -> Any:
    try:
        async for chunk in stream:
            yield chunk
    except Exception as error:  # noqa: BLE001 - besides the library's errors, the transport's and JSON's
        raise BrokenAnswerError(f"{type(error).__name__}: {error}") from None


def _usage(usage: Any) -> Usage | None:
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    details = usage.prompt_tokens_details
    cost = getattr(usage, "cost", None)  # OpenRouter's and some gateways' addition
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        cached_tokens=(details.cached_tokens or 0) if details is not None else 0,
        cost_usd=float(cost) if isinstance(cost, int | float) else None,
    )


def _message(turn: Turn) -> dict[str, Any]:
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.call_id, "content": turn.text}
    message: dict[str, Any] = {"role": turn.role, "content": turn.text or (None if turn.calls else "(empty)")}
    if turn.calls:
        message["tool_calls"] = list(_calls(turn.calls))
    return message


def _calls(calls: Iterable[ToolCall]) -> Iterable[dict[str, Any]]:
    for call in calls:
        words = json.dumps(call.as_object(), ensure_ascii=False)
        yield {"id": call.id, "type": "function", "function": {"name": call.name or "unnamed", "arguments": words}}


def _tool(tool: Tool) -> dict[str, Any]:
    said = {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
    return {"type": "function", "function": said}
