"""The fake's HTTP side: finds the step for a request, and streams it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from fake_model.script import Fault, Script, Step
from fake_model.wires import anthropic_events, openai_events


@dataclass
class Loaded:
    script: Script
    key: str | None
    asked: list[dict[str, Any]] = field(default_factory=list)
    met: dict[tuple[int, int], int] = field(default_factory=dict)  # faults that were there, by talk and step


def create_app(script: Script, key: str | None) -> FastAPI:
    app = FastAPI(openapi_url=None)
    now = Loaded(script, key)

    def choose(body: dict[str, Any]) -> tuple[Step, Fault | None] | None:
        messages = body["messages"]
        known = json.dumps([body.get("system"), *messages[:2]], ensure_ascii=False)
        answers = sum(message["role"] == "assistant" for message in messages)
        for number, talk in enumerate(now.script.talks):
            if talk.model in (None, body["model"]) and talk.when in known:
                if answers >= len(talk.steps):
                    return None
                step, place = talk.steps[answers], (number, answers)
                count = now.met.get(place, 0)
                now.met[place] = count + 1
                return step, step.faults[count] if count < len(step.faults) else None
        return None

    async def answer(request: Request, wire: str, given: str) -> Response:
        body = await request.json()
        now.asked.append({"wire": wire, "body": body, "with_key": bool(given)})
        if now.key is not None and given != now.key:
            return error(wire, Fault(status=401, kind="authentication_error", message=f"Incorrect API key: {given}"))
        problem = unsound(wire, body)
        if problem:
            return error(wire, Fault(status=400, kind="invalid_request_error", message=problem))
        chosen = choose(body)
        if chosen is None:
            return error(wire, Fault(status=400, kind="invalid_request_error", message="the script has no such step"))
        step, fault = chosen
        if fault is not None and fault.status >= 400:
            return error(wire, fault)
        make = openai_events if wire == "openai" else anthropic_events
        events = make(body["model"], step, asks_usage=bool(body.get("stream_options")))
        return StreamingResponse(streamed(events, step, fault), media_type="text/event-stream")

    @app.post("/v1/chat/completions")
    async def completions(request: Request) -> Response:
        return await answer(request, "openai", bearer(request))

    @app.post("/v1/messages")
    async def messages(request: Request) -> Response:
        return await answer(request, "anthropic", request.headers.get("x-api-key", "") or bearer(request))

    @app.get("/_fake/requests")
    async def requests() -> list[dict[str, Any]]:
        return now.asked

    @app.put("/_fake/script")
    async def replace(script: Script, key: str | None = None) -> None:
        nonlocal now
        now = Loaded(script, key)

    return app


def bearer(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


async def streamed(events: list[str], step: Step, fault: Fault | None) -> AsyncIterator[str]:
    for number, event in enumerate(events):
        if fault is not None and number == len(events) // 2:
            if fault.cut:
                raise ConnectionResetError("as the script wants it")
            if fault.unfinished:
                return
            if fault.garbage:
                yield "event: message_delta\ndata: {no json\n\n"
            if fault.error_event:
                body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
                yield f"event: error\ndata: {json.dumps(body)}\n\n"
                return
        await asyncio.sleep(step.seconds / len(events))
        yield event


def error(wire: str, fault: Fault) -> JSONResponse:
    said = {"type": fault.kind, "message": fault.message}
    body = {"error": said | {"code": None, "param": None}} if wire == "openai" else {"type": "error", "error": said}
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    return JSONResponse(body, status_code=fault.status, headers=headers)


def unsound(wire: str, body: dict[str, Any]) -> str:
    """Say what the real APIs would refuse, of what a client's loop may get wrong."""
    if not body.get("stream"):
        return "the fake streams only"
    open_calls: set[str] = set()
    last = ""
    for message in body["messages"]:
        role, content = message["role"], message.get("content")
        if wire == "anthropic":
            if role == last:
                return "roles must alternate"
            if not content or any(part["type"] == "text" and not part["text"] for part in content):
                return "content must not be empty"
            open_calls -= {part["tool_use_id"] for part in content if part["type"] == "tool_result"}
            if open_calls:
                return f"tool_use ids without a tool_result: {sorted(open_calls)}"
            open_calls = {part["id"] for part in content if part["type"] == "tool_use"}
        else:
            if role == "tool":
                open_calls -= {message["tool_call_id"]}
            elif open_calls:
                return f"tool_call_ids without a tool message: {sorted(open_calls)}"
            calls = message.get("tool_calls") or []
            for call in calls:
                json.loads(call["function"]["arguments"])
            open_calls |= {call["id"] for call in calls}
        last = role
    if wire == "anthropic" and not body.get("max_tokens"):
        return "max_tokens is missing"
    return ""
