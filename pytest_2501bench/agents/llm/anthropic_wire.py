"""A model behind Anthropic's messages API, by Anthropic's own client library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anthropic

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

MAX_TOKENS = 8192
"""Of one answer; the API wants a number, and every model of the last years takes this one."""

_CACHED = {"cache_control": {"type": "ephemeral"}}
_STOPS: dict[str, Stop] = {"max_tokens": "length", "refusal": "refused", "model_context_window_exceeded": "context"}


class AnthropicModel:
    """See :class:`~pytest_2501bench.agents.llm.talk.Model`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = endpoint.name
        self._endpoint = endpoint
        self._client = anthropic.AsyncAnthropic(
            api_key=endpoint.key or "none",
            base_url=endpoint.url,
            max_retries=RETRIES,
            timeout=anthropic.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )
        self._client.auth_token = None  # the library takes one from a variable that nobody named for this

    async def answer(
        self, system: str, turns: Sequence[Turn], tools: Sequence[Tool], on_text: Callable[[str], None]
    ) -> Answer:
        """Return the model's next message."""
        request: dict[str, Any] = {
            "model": self._endpoint.model,
            "max_tokens": MAX_TOKENS,
            "system": [{"type": "text", "text": system, **_CACHED}],
            "messages": _messages(turns),
            "stream": True,
        }
        if tools:
            request["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": dict(tool.schema)}
                for tool in tools
            ]
        try:
            return await self._read(await self._client.messages.create(**request), on_text)
        except anthropic.APIStatusError as error:
            return Answer("", stop=refused_request(self._endpoint, error.status_code, said(error.body, error.message)))
        except anthropic.APIConnectionError as error:
            raise model_unreachable(self._endpoint, f"no answer: {error.__cause__ or error}") from None
        except anthropic.APIError as error:  # an answer that is none
            raise BrokenAnswerError(error.message) from None

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    async def _read(self, stream: Any, on_text: Callable[[str], None]) -> Answer:
        text: list[str] = []
        calls: dict[int, list[str]] = {}
        stop, ended = None, False
        counted: dict[str, int] = {}
        async for event in _unbroken(stream):
            match event.type:
                case "message_start":
                    counted |= _counts(event.message.usage)
                case "content_block_start" if event.content_block.type == "tool_use":
                    calls[event.index] = [event.content_block.id, event.content_block.name, ""]
                case "content_block_delta" if event.delta.type == "text_delta":
                    text.append(event.delta.text)
                    on_text(event.delta.text)
                case "content_block_delta" if event.delta.type == "input_json_delta" and event.index in calls:
                    calls[event.index][2] += event.delta.partial_json
                case "message_delta":
                    stop = event.delta.stop_reason or stop
                    counted |= _counts(event.usage)
                case "message_stop":
                    ended = True
                case _:
                    pass
        if not ended:
            raise BrokenAnswerError("the stream ended in the middle of an answer")
        made = tuple(ToolCall(*call) for _, call in sorted(calls.items()))
        return Answer("".join(text), made, _usage(counted), _STOPS.get(stop or "", "done"))


async def _unbroken(stream: Any) -> Any:
    try:
        async for event in stream:
            yield event
    except Exception as error:  # noqa: BLE001 - besides the library's errors, the transport's and JSON's
        raise BrokenAnswerError(f"{type(error).__name__}: {error}") from None


def _counts(usage: Any) -> dict[str, int]:
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return {name: value for name in names if isinstance(value := getattr(usage, name, None), int)}


def _usage(counted: dict[str, int]) -> Usage | None:
    if "input_tokens" not in counted or "output_tokens" not in counted:
        return None
    read, written = counted.get("cache_read_input_tokens", 0), counted.get("cache_creation_input_tokens", 0)
    whole = counted["input_tokens"] + read + written  # here, unlike with OpenAI, the cache counts apart
    return Usage(whole, counted["output_tokens"], cached_tokens=read, cache_written_tokens=written)


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Roles must alternate, so results of tools and what we say after them are one message."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        role = "assistant" if turn.role == "assistant" else "user"
        if not messages or messages[-1]["role"] != role:
            messages.append({"role": role, "content": []})
        messages[-1]["content"] += _blocks(turn)
    if messages:  # the next request begins like this one: the endpoint need not read it all again
        messages[-1]["content"][-1] |= _CACHED
    return messages


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [{"type": "tool_result", "tool_use_id": turn.call_id, "content": turn.text or "(empty)"}]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text.strip() else []
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name or "unnamed", "input": call.as_object()}
        for call in turn.calls
    ]
    return blocks or [{"type": "text", "text": "(empty)"}]
