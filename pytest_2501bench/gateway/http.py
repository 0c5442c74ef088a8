"""HTTP to an engine: retries, time limits, and errors in the words of :mod:`pytest_2501bench.errors`."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Mapping
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from pytest_2501bench.errors import BenchError, Cause

BASE = "/api/v1"
READ_SECONDS = 30.0
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)
_BUSY = frozenset({429, 502, 503})
"""Answers of an engine, or of a proxy before it, that did not do anything yet."""

A = TypeVar("A", bound=BaseModel)


def base_url(url: str) -> httpx.URL:
    """Return *url* with the API's base path.

    Raises:
        BenchError: ``gateway_unavailable``: it is not an http or https URL.
    """
    try:
        parsed = httpx.URL(url.strip().rstrip("/"))
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.query or parsed.userinfo:
        shown = parsed.copy_with(password=None, username=None) if parsed.userinfo else url
        raise BenchError(
            Cause.GATEWAY_UNAVAILABLE,
            f"ENGINE_URL: {str(shown)!r} is not an engine's address.",
            remedy="It should look like https://engine.example.com or http://127.0.0.1:2501.",
        )
    return parsed if parsed.path.endswith(BASE) else parsed.copy_with(path=parsed.path.rstrip("/") + BASE)


def is_loopback(url: httpx.URL) -> bool:
    """Say whether *url* is on this machine."""
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


class Refused(Exception):  # noqa: N818 - an answer, which the caller turns into an error of its phase
    """The engine answered, and did not do it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Unreachable(Exception):  # noqa: N818 - see Refused
    """No answer, also after retries."""


class EngineClient:
    """Speaks to one engine. All requests made through it may be repeated without harm, and are."""

    def __init__(self, url: str, api_key: str, *, patience: float = 5.0) -> None:
        """Prepare a client; *patience* is for how many seconds to try again when nobody answers."""
        self.url = base_url(url)
        if not api_key or not api_key.isascii() or not api_key.isprintable():
            raise BenchError(
                Cause.GATEWAY_UNAVAILABLE,
                "ENGINE_API_KEY: is not set."
                if not api_key
                else "ENGINE_API_KEY: has characters that no key can have.",
            )
        self._patience = patience
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=httpx.Timeout(READ_SECONDS, connect=5.0),
            # A proxy for the world outside must not get what is meant for this machine.
            trust_env=not is_loopback(self.url),
            follow_redirects=False,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | Mapping[str, object] | None = None,
        params: Mapping[str, str | int | float] | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> httpx.Response:
        """Send a request; try again while nobody answers or the engine is busy.

        Raises:
            Refused: a status of 300 or more.
            Unreachable: no answer.
        """
        json = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        end = time.monotonic() + self._patience
        attempt = 0
        while True:
            try:
                response = self._client.request(
                    method,
                    f"{self.url}{path}",
                    json=json,
                    params=params,
                    timeout=httpx.Timeout(read_seconds, connect=5.0),
                )
            except (httpx.TransportError, ssl.SSLError) as error:
                problem: Exception = Unreachable(f"{self.url.host}:{self.url.port or ''}: {_words(error)}")
                wait = _PAUSES[min(attempt, len(_PAUSES) - 1)]
            else:
                if response.is_success:
                    return response
                problem = Refused(response.status_code, _detail(response))
                if response.status_code not in _BUSY:
                    raise problem
                wait = _retry_after(response) or _PAUSES[min(attempt, len(_PAUSES) - 1)]
            if time.monotonic() + wait > end:
                raise problem
            time.sleep(wait)
            attempt += 1

    def close(self) -> None:
        """Close connections."""
        self._client.close()


def parse(response: httpx.Response, model: type[A], what: str) -> A:
    """Return the answer as *model*.

    Raises:
        BenchError: ``engine_nonsense``, with the field.
    """
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/" + "/".join(str(step) for step in first["loc"]) if first["loc"] else "the answer"
        raise nonsense(what, f"{where}: {first['msg']}") from None


def nonsense(what: str, why: str) -> BenchError:
    """Return the error for an answer that breaks the API."""
    return BenchError(Cause.ENGINE_NONSENSE, f"the engine's answer to {what} breaks its API: {why}")


def _detail(response: httpx.Response) -> str:
    try:
        said = response.json()
    except ValueError:
        said = None
    detail = said.get("detail") if isinstance(said, dict) else None
    text = detail if isinstance(detail, str) else f"HTTP {response.status_code} {response.reason_phrase}"
    return " ".join(text.split())[:500]


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else None


def _words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__
