"""A step as the events of both APIs, after their public documentation."""

from __future__ import annotations

import json
from typing import Any

from fake_model.script import Call, Step


def openai_events(model: str, step: Step, *, asks_usage: bool) -> list[str]:
    """Chunks of a chat completion: text and arguments in pieces, the usage in a last chunk without choices."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"refusal" if step.refusal else "content": piece} for piece in _pieces(step.text)]
    for index, call in enumerate(step.calls):
        head = {"index": index, "id": f"call_{index}_{call.name}", "type": "function"}
        deltas.append({"tool_calls": [head | {"function": {"name": call.name, "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": p}}]} for p in _pieces(_words(call))]
    stop = "length" if step.too_long else "tool_calls" if step.calls else "stop"
    head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": model}
    chunks: list[dict[str, Any]] = [
        head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": stop}]})
    if asks_usage and step.usage is not None:
        read, written = step.usage
        usage: dict[str, Any] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        usage |= {} if step.cost is None else {"cost": step.cost}
        chunks.append(head | {"choices": [], "usage": usage})
    return [*(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), "data: [DONE]\n\n"]


def anthropic_events(model: str, step: Step, *, asks_usage: bool) -> list[str]:
    """Events of a message: content blocks that start, get deltas, and stop."""
    read, written = step.usage or (0, 0)
    message: dict[str, Any] = {"id": "msg_fake", "type": "message", "role": "assistant", "model": model, "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": read, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if step.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(step.text)]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for index, call in enumerate(step.calls):
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(_words(call))]
        start = {"type": "tool_use", "id": f"toolu_{index}_{call.name}", "name": call.name, "input": {}}
        blocks.append((start, deltas))
    for index, (start, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = "refusal" if step.refusal else "max_tokens" if step.too_long else "tool_use" if step.calls else "end_turn"
    delta = {"stop_reason": stop, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": written}})
    events.append({"type": "message_stop"})
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]


def _words(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)


def _pieces(text: str) -> list[str]:
    return [text[start : start + 12] for start in range(0, len(text), 12)]
