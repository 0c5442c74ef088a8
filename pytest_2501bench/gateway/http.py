"""HTTP to an engine: retries, time limits, and errors in the words of :mod:`pytest_2501bench.errors`."""

from __future__ import annotations

import ipaddress
import random
import ssl
import time
from collections.abc import Mapping
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from pytest_2501bench.errors import BenchError, Cause

BASE = "/api/v1"
READ_SECONDS = 30.0
PATIENCE = 30.0
"""Seconds for which an engine that is silent or busy is asked again: an engine that is restarted needs no more."""

SILENT_PATIENCE = 5.0
"""The same for one that was silent already when it was asked last: each question of a lost run would wait again."""

BUSY = frozenset({429, 502, 503})
"""Answers of an engine, or of a proxy before it, that may have a better one soon."""

LOST = frozenset({504})
"""The answer of a proxy that got none in time. Not of an engine that was asked to cancel: that has a meaning."""

MOST_ASKED_SECONDS = 60.0
"""An engine that asks to be left alone for longer (``Retry-After``) cannot work a ticket now."""

_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)

A = TypeVar("A", bound=BaseModel)


def base_url(url: str, base: str = BASE) -> httpx.URL:
    """Return *url* with the API's *base* path.

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
    return parsed if parsed.path.endswith(base) else parsed.copy_with(path=parsed.path.rstrip("/") + base)


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
    """No answer, also after retries. *sent*: a request may have arrived, of which only the answer was lost."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class EngineClient:
    """Speaks to one engine. All requests made through it may be repeated without harm, and are.

    Another API than ours: derive from it, and override :attr:`base`, :meth:`credentials` and :meth:`told`.
    """

    base = BASE
    """The path that all of the API's paths begin with."""

    def __init__(self, url: str, api_key: str, *, patience: float = PATIENCE) -> None:
        """Prepare a client; *patience* is for how many seconds to try again when nobody answers.

        Raises:
            BenchError: ``gateway_unavailable``: the URL or the key cannot be one.
        """
        self.url = base_url(url, self.base)
        if not api_key or not api_key.isascii() or not api_key.isprintable():
            raise BenchError(
                Cause.GATEWAY_UNAVAILABLE,
                "ENGINE_API_KEY: is not set."
                if not api_key
                else "ENGINE_API_KEY: has characters that no key can have.",
            )
        self.patience = patience
        self._silent = False  # nobody answered when it was asked last
        self._client = httpx.Client(
            headers=self.credentials(api_key),
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
        headers: Mapping[str, str] | None = None,
        read_seconds: float = READ_SECONDS,
        patience: float | None = None,
        again: frozenset[int] = BUSY | LOST,
    ) -> httpx.Response:
        """Send a request; repeat it while nobody answers or the status is one of *again* (GET: also after a 500).

        *read_seconds* is for one answer, *patience* for all of them together; a ``Retry-After`` comes on top.

        Raises:
            Refused: a status of 300 or more.
            Unreachable: no answer.
        """
        json = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        patience = self.patience if patience is None else patience
        if self._silent:
            patience = min(patience, SILENT_PATIENCE)
        start = time.monotonic()
        end = start + patience
        again |= {500} if method == "GET" else set()
        sent = False
        attempt = 0
        while True:
            pause = _PAUSES[min(attempt, len(_PAUSES) - 1)] * random.uniform(0.7, 1.0)  # noqa: S311 - spreads, hides nothing
            try:
                response = self._client.request(
                    method,
                    f"{self.url}{path}",
                    json=json,
                    params=params,
                    headers=headers,
                    timeout=httpx.Timeout(read_seconds, connect=5.0),
                )
            except (httpx.TransportError, ssl.SSLError) as error:
                self._silent = True
                sent = sent or not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
                where = f"{self.url.host}:{self.url.port or ''}"
                problem: Exception = Unreachable(f"{where}: {_words(error)}", sent=sent)
            else:
                self._silent = False
                if response.is_success:
                    return response
                problem = Refused(response.status_code, self.told(response))
                if response.status_code not in again:
                    raise problem
                asked = _retry_after(response)
                if 0 < asked <= MOST_ASKED_SECONDS:  # it answers, so this is no silence
                    pause, end = asked, max(end, start + asked + patience)
                elif asked:
                    raise problem
            if time.monotonic() + pause > end:
                raise problem
            time.sleep(pause)
            attempt += 1

    def credentials(self, api_key: str) -> dict[str, str]:
        """Return the headers that say who asks."""
        return {"Authorization": f"Bearer {api_key}"}

    def told(self, response: httpx.Response) -> str:
        """Return why the engine refused, in one line."""
        try:
            said = response.json()
        except ValueError:
            said = None
        return one_line(response, said.get("detail") if isinstance(said, dict) else None)

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


def one_line(response: httpx.Response, said: object) -> str:
    """Return *said* as one line of decent length; its status if it is no text."""
    text = said if isinstance(said, str) and said else f"HTTP {response.status_code} {response.reason_phrase}"
    return " ".join(text.split())[:500]


def _retry_after(response: httpx.Response) -> float:
    """Return for how many seconds the engine asks to be left alone; 0 if it does not say (or as a date)."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0


def _words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__
