"""The HTTP API as a FastAPI application: authentication, errors as one line of JSON, and the routes."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from pytest_2501bench import __version__
from pytest_2501bench.engine import agent_routes, host_routes, intake_routes, rule_routes, ticket_routes
from pytest_2501bench.engine.desk import Desk
from pytest_2501bench.engine.durable import Durable
from pytest_2501bench.engine.state import NotDurableError
from pytest_2501bench.engine.wire import API_NAME, Health
from pytest_2501bench.engine.wire_base import Problem

log = logging.getLogger(__name__)

BASE = "/api/v1"
MAX_BODY = 8 * 1024 * 1024

DESCRIPTION = """\
Turns a ticket into a job, gives its tasks to an agent, and keeps the record of what was done.

Every request but `GET /health` carries `Authorization: Bearer <key>`. A refused request is answered with
`{"detail": "one line"}`. Every request here can be repeated without harm, except `POST /agents` without an `agent_id`,
`POST /operational-rules` without a `rule_id`, `POST /tickets/{ticket_id}/comments` without a `comment_id`, and
`POST /agents/{agent_id}/tasks`.
What was answered outlives a crash of the engine. Times are Unix seconds, durations seconds.
"""

_bearer = HTTPBearer(auto_error=False, description="The engine's key.")


def describe(errors: Sequence[Any]) -> str:
    """Return pydantic's *errors* as one line with JSON pointers; values are left out, they may be secrets."""
    parts = []
    for error in errors:
        where, *path = [str(step) for step in error["loc"]] or ["body"]
        at = f"/{'/'.join(path)}" if where == "body" and path else f"the {where} {'/'.join(path)}".rstrip()
        parts.append(f"{at}: {error['msg']}")
    return "; ".join(parts)


class Gatekeeper:
    """Lets in who has the key, and no body that is too large. Before anything of the request is parsed."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._wanted = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 413, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if scope["path"] != f"{BASE}/health" and not hmac.compare_digest(
            headers.get(b"authorization", b""), self._wanted
        ):
            answer = JSONResponse(
                {"detail": "missing or wrong key: Authorization: Bearer <key>"},
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await answer(scope, receive, send)
            return
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit() or int(length) > MAX_BODY:
            answer = JSONResponse(
                {"detail": f"the body needs a Content-Length of at most {MAX_BODY} bytes"}, status_code=413
            )
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return JSONResponse({"detail": str(error.detail)}, status_code=error.status_code, headers=headers)


def _methods(request: Request) -> set[str]:
    """Return the methods that the path of *request* takes."""
    app: FastAPI = request.app
    return {
        method.upper()
        for path, operations in app.openapi()["paths"].items()
        if compile_path(path)[0].fullmatch(request.url.path)
        for method in operations
    }


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": describe(error.errors())}, status_code=422)


async def _unreadable(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=503)


async def _broken(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return JSONResponse({"detail": "the engine failed on this request; see its log"}, status_code=500)


def create_app(desk: Desk, key: str, intake: intake_routes.Expecting | None = None) -> FastAPI:
    """Return the application that serves *desk*, and announcements to *intake*, to whoever has *key*."""
    problems: dict[int | str, dict[str, Any]] = {
        400: {"model": Problem, "description": "The body is no JSON."},
        401: {"model": Problem, "description": "Missing or wrong key."},
        413: {"model": Problem, "description": "Body too large, or without a Content-Length."},
        422: {"model": Problem, "description": "The request breaks this API; `detail` names the field."},
        503: {"model": Problem, "description": "The engine's database does not answer: try again."},
    }
    app = FastAPI(
        title="2501bench engine",
        version="1",  # of the API; the engine's own is in /health
        description=DESCRIPTION,
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,
        redoc_url=None,
        # Routes of exactly one form: a redirect would lose the body of a POST with some clients.
        redirect_slashes=False,
    )
    app.add_middleware(Durable, repository=desk.repository)
    app.add_middleware(Gatekeeper, key=key)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(NotDurableError, _unreadable)
    app.add_exception_handler(Exception, _broken)

    @app.get(f"{BASE}/health", summary="Is the engine up?", tags=["engine"])
    async def health() -> Health:
        """Say that the engine is up, and which API it speaks. Needs no key."""
        return Health(status="ok", api=API_NAME, version=__version__)

    routers = [routes.router(desk) for routes in (host_routes, agent_routes, rule_routes, ticket_routes)]
    if intake is not None:
        routers.append(intake_routes.router(intake, desk))
    for router in routers:
        app.include_router(router, prefix=BASE, dependencies=[Depends(_bearer)], responses=problems)
    return app
