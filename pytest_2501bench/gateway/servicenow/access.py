"""Logging in to an instance: basic authentication, or OAuth with the client-credentials grant."""

from __future__ import annotations

import time
from collections.abc import Generator

import httpx

from pytest_2501bench.gateway.http import Refused
from pytest_2501bench.gateway.servicenow.instance import Instance

TOKEN_PATH = "/oauth_token.do"  # noqa: S105 - a path
_EARLY = 30.0  # seconds before its end in which a token is no longer used


def access_to(instance: Instance) -> httpx.Auth:
    """Return how requests to *instance* are authenticated."""
    if instance.client_id is not None and instance.client_secret is not None:
        return ClientCredentials(instance.url + TOKEN_PATH, instance.client_id, instance.client_secret)
    return httpx.BasicAuth(instance.user or "", instance.password or "")


class ClientCredentials(httpx.Auth):
    """Gets a token when there is none, before it ends, and once more when it is refused."""

    requires_response_body = True

    def __init__(self, url: str, client_id: str, client_secret: str) -> None:
        self._url = url
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._token: str | None = None
        self._ends = 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send *request* with a token."""
        had = self._token is not None and time.monotonic() < self._ends
        if not had:
            answer = yield self._ask()
            self._take(answer)
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401 and had:  # ended early: revoked, or the instance was restarted
            answer = yield self._ask()
            self._take(answer)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _ask(self) -> httpx.Request:
        return httpx.Request("POST", self._url, data=self._form, headers={"Accept": "application/json"})

    def _take(self, answer: httpx.Response) -> None:
        self._token = None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise TokenDelayed(answer)
        try:
            said = answer.json()
        except ValueError:
            said = None
        said = said if isinstance(said, dict) else {}
        token = said.get("access_token")
        if not answer.is_success or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            why = said.get("error_description") or said.get("error") or f"HTTP {answer.status_code}"
            raise Refused(401, f"no token from {TOKEN_PATH}: {' '.join(str(why).split())[:200]}")
        seconds = said.get("expires_in")
        life = float(seconds) if isinstance(seconds, int | float) else 0.0
        self._token, self._ends = token, time.monotonic() + max(life - _EARLY, life / 2)


class TokenDelayed(Exception):  # noqa: N818 - an answer to be waited out
    """The token was not given now; a later try may get it."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__("no token yet")
        self.response = response
