"""Lets no answer out before what it tells would outlive a crash."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pytest_2501bench.engine.state import NotDurableError, Repository

PATIENCE = 10.0
"""Seconds that a request waits for the database before it is answered with 503."""


class Durable:
    """Holds back every answer until the repository has settled.

    A client that gets a 503 in its place may ask again: the change was made, and is kept when the database is back.
    """

    def __init__(self, app: ASGIApp, repository: Repository) -> None:
        self._app = app
        self._repository = repository

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer later."""
        if scope["type"] != "http" or scope["path"].endswith("/health"):
            await self._app(scope, receive, send)
            return
        refused = False

        async def send_settled(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                try:
                    await self._repository.settle(PATIENCE)
                except NotDurableError as error:
                    refused = True
                    await JSONResponse({"detail": str(error)}, status_code=503)(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, receive, send_settled)
