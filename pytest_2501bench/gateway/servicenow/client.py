"""The Table and Attachment APIs of an instance, with back-off: who calls this sees an answer, a refusal or silence."""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from pytest_2501bench.gateway.http import Refused, Unreachable, is_loopback
from pytest_2501bench.gateway.servicenow.access import TokenDelayed, access_to
from pytest_2501bench.gateway.servicenow.instance import Instance

PATIENCE = 60.0
"""Seconds for which a request that is safe to repeat is repeated."""

READ_SECONDS = 30.0
PAGE = 200
"""Records per page of a list."""

_BUSY = frozenset({429, 500, 502, 503, 504})
_BACK_OFF = wait_random_exponential(multiplier=0.2, max=8.0)
_REST = "/api/now"

Row = dict[str, Any]


class Unclear(Exception):  # noqa: N818 - what came of a request that must not be repeated blindly
    """The request may have been carried out or not."""


class NoInstance(Exception):  # noqa: N818 - an answer, which the caller turns into an error of its phase
    """What answers does not speak the Table API: a sleeping developer instance, a proxy, a login page."""


class _Busy(Exception):  # noqa: N818
    """Not now: to be tried again, at the earliest after so many seconds."""

    def __init__(self, problem: Refused | Unreachable, after: float = 0.0) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.after = after


class TableClient:
    """Speaks to one instance."""

    def __init__(self, instance: Instance, *, patience: float = PATIENCE, read_seconds: float = READ_SECONDS) -> None:
        """Prepare a client; *patience*: seconds for which a busy or silent instance is asked again."""
        self.instance = instance
        self.patience = patience
        url = httpx.URL(instance.url)
        self._host = f"{url.host}:{url.port}" if url.port else url.host
        self._client = httpx.Client(
            base_url=instance.url,
            auth=access_to(instance),
            headers={"Accept": "application/json"},
            timeout=httpx.Timeout(read_seconds, connect=min(read_seconds, 10.0)),
            # A proxy for the world outside must not get what is meant for this machine.
            trust_env=not is_loopback(url),
            follow_redirects=False,
        )

    # ---- the Table API --------------------------------------------------------------------------------------------

    def rows(
        self, table: str, query: str, fields: Sequence[str], *, limit: int | None = None, display: bool = False
    ) -> list[Row]:
        """Return the records of *table* that match *query*, all pages of them.

        Raises:
            Refused: a status of 400 or more that waiting does not mend.
            Unreachable: no answer, after :attr:`patience`.
            NoInstance: no answer of this API.
        """
        found: list[Row] = []
        offset = 0
        while True:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            params = _params(fields, display) | {
                "sysparm_query": query,
                "sysparm_limit": str(size),
                "sysparm_offset": str(offset),
            }
            answer = self._repeated("GET", f"{_REST}/table/{table}", params=params)
            page = _result(answer, list)
            if not all(isinstance(row, dict) for row in page):
                raise NoInstance("a list with something else than records")
            found += page
            # A page may have fewer records than asked for and yet not be the last: rows that this user must not see
            # are taken out of it afterwards, and an instance may have a cap of its own. Only the headers tell.
            following = _next_offset(answer)
            if following is None:
                total = answer.headers.get("x-total-count", "")
                more = offset + size < int(total) if total.isdigit() else len(page) == size
                following = offset + size if more else None
            if following is None or following <= offset or (limit is not None and len(found) >= limit):
                return found
            offset = following

    def row(self, table: str, sys_id: str, fields: Sequence[str] = (), *, display: bool = False) -> Row:
        """Return one record. Raises as :meth:`rows`; 404 is a :class:`Refused`."""
        params = _params(fields, display)
        record: Row = _result(self._repeated("GET", f"{_REST}/table/{table}/{sys_id}", params=params), dict)
        return record

    def change(self, table: str, sys_id: str, values: Mapping[str, str]) -> Row:
        """Set fields of a record. To be used with values that may be set twice: no journal fields."""
        path = f"{_REST}/table/{table}/{sys_id}"
        record: Row = _result(self._repeated("PATCH", path, params=_params(()), json=dict(values)), dict)
        return record

    def change_once(self, table: str, sys_id: str, values: Mapping[str, str]) -> Row:
        """Set a journal field, where twice would be two entries.

        Raises:
            Unclear: it may have been done; besides what :meth:`rows` raises.
        """
        path = f"{_REST}/table/{table}/{sys_id}"
        record: Row = _result(self._once("PATCH", path, params=_params(()), json=dict(values)), dict)
        return record

    def create(self, table: str, values: Mapping[str, str]) -> Row:
        """Insert a record.

        Raises:
            Unclear: it may have been inserted; besides what :meth:`rows` raises.
        """
        path = f"{_REST}/table/{table}"
        record: Row = _result(self._once("POST", path, params=_params(()), json=dict(values)), dict)
        return record

    # ---- the Attachment API ---------------------------------------------------------------------------------------

    def attachments(self, sys_id: str) -> list[Row]:
        """Return what is known of a record's files, the oldest first."""
        params = {"sysparm_query": f"table_sys_id={sys_id}^ORDERBYsys_created_on", "sysparm_limit": str(PAGE)}
        rows: list[Row] = _result(self._repeated("GET", f"{_REST}/attachment", params=params), list)
        return rows

    def attach(self, table: str, sys_id: str, name: str, content_type: str, content: bytes) -> None:
        """Add a file to a record. Raises as :meth:`create`."""
        params = {"table_name": table, "table_sys_id": sys_id, "file_name": name}
        headers = {"Content-Type": content_type}
        _result(self._once("POST", f"{_REST}/attachment/file", params=params, content=content, headers=headers), dict)

    def download(self, attachment_id: str) -> bytes:
        """Return a file's content."""
        return self._repeated("GET", f"{_REST}/attachment/{attachment_id}/file").content

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    # ---- sending --------------------------------------------------------------------------------------------------

    def _repeated(self, method: str, path: str, **what: Any) -> httpx.Response:
        return self._with_back_off(lambda: self._send(method, path, what, repeat=True))

    def _once(self, method: str, path: str, **what: Any) -> httpx.Response:
        return self._with_back_off(lambda: self._send(method, path, what, repeat=False))

    def _with_back_off(self, send: Any) -> httpx.Response:
        retrying = Retrying(
            retry=retry_if_exception_type(_Busy),
            wait=_pause,
            stop=_Patience(self.patience),
            reraise=True,
        )
        try:
            response: httpx.Response = retrying(send)
        except _Busy as busy:
            raise busy.problem from None
        return response

    def _send(self, method: str, path: str, what: Mapping[str, Any], *, repeat: bool) -> httpx.Response:
        try:
            response = self._client.request(method, path, **what)
        except TokenDelayed as delay:
            raise _Busy(_refusal(delay.response), _retry_after(delay.response)) from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _Busy(self._silence(error)) from None
        except (httpx.TransportError, ssl.SSLError) as error:
            if repeat:
                raise _Busy(self._silence(error)) from None
            raise Unclear(str(self._silence(error))) from None
        status = response.status_code
        if status in _BUSY:
            refusal = _refusal(response)
            # 429 is said before anything is done; an instance or a proxy that breaks may have done it.
            if repeat or status == 429:
                raise _Busy(refusal, _retry_after(response))
            raise Unclear(f"{refusal.detail} (HTTP {status})")
        if status >= 400:
            raise _refusal(response)
        if status >= 300:
            raise NoInstance(f"it redirects (HTTP {status})")
        return response

    def _silence(self, error: Exception) -> Unreachable:
        words = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error) or type(error).__name__
        return Unreachable(f"{self._host}: {words}")


class _Patience(stop_after_delay):
    """Also stops at once when the instance names a time to wait that is longer than what is left."""

    def __call__(self, retry_state: RetryCallState) -> bool:
        """Say whether to give up."""
        spent = retry_state.seconds_since_start or 0.0
        return bool(super().__call__(retry_state)) or spent + _asked_to_wait(retry_state) > self.max_delay


def _asked_to_wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return error.after if isinstance(error, _Busy) else 0.0


def _pause(state: RetryCallState) -> float:
    # Full jitter, so that parallel runs do not come back together; never before the instance's own time.
    return max(_asked_to_wait(state), 0.05) + _BACK_OFF(state)


def _params(fields: Sequence[str], display: bool = False) -> dict[str, str]:
    params = {"sysparm_display_value": "true" if display else "false", "sysparm_exclude_reference_link": "true"}
    return params | ({"sysparm_fields": ",".join(fields)} if fields else {})


def _next_offset(response: httpx.Response) -> int | None:
    """Return where the next page begins, as ``Link: <…>;rel="next"`` says; the address itself is not followed."""
    url = response.links.get("next", {}).get("url", "")
    offset = parse_qs(urlsplit(url).query).get("sysparm_offset", [""])[0]
    return int(offset) if offset.isdigit() else None


def _result(response: httpx.Response, kind: type) -> Any:
    try:
        said = response.json()
    except ValueError:
        raise NoInstance("no JSON") from None
    result = said.get("result") if isinstance(said, dict) else None
    if not isinstance(result, kind):
        raise NoInstance(f"/result: no {kind.__name__}")
    return result


def _refusal(response: httpx.Response) -> Refused:
    """Return an error body's words: ``{"error": {"message", "detail"}, "status": "failure"}``."""
    try:
        said = response.json()
    except ValueError:
        said = None
    error = said.get("error") if isinstance(said, dict) else None
    if isinstance(error, dict):
        words = [str(error[name]) for name in ("message", "detail") if error.get(name)]
    else:
        words = [error] if isinstance(error, str) else []
    text = ": ".join(words) or f"HTTP {response.status_code} {response.reason_phrase}"
    return Refused(response.status_code, " ".join(text.split())[:500])


def _retry_after(response: httpx.Response) -> float:
    try:
        seconds = float(response.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
