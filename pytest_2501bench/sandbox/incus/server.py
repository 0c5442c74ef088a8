"""Talks to an Incus server over its REST API: one call is a millisecond, one start of the ``incus`` program 25."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx

from pytest_2501bench.sandbox.incus.remotes import Place

CALL_SECONDS: Final = 30.0
OPERATION_SECONDS: Final = 600.0
NOT_FOUND: Final = 404
CONFLICT: Final = 409


class IncusError(Exception):
    """A server refused, or did not answer.

    Attributes:
        text: one line, mostly the server's own words.
        status: HTTP status of the refusal; 0 if there was no answer.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class Server:
    """One server and project. May be used by several threads."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._client: httpx.Client | None = None

    def _http(self) -> httpx.Client:
        if self._client is None:
            # No connection stays open: nothing has to be closed, whoever forgets us.
            limits = httpx.Limits(max_keepalive_connections=0)
            if self.place.socket is not None:
                # Not verified: there is nobody between us and a socket of this machine.
                transport = httpx.HTTPTransport(uds=str(self.place.socket), verify=False, limits=limits)
                self._client = httpx.Client(transport=transport, base_url="http://incus", trust_env=False)
            else:
                self._client = httpx.Client(verify=self.place.tls(), base_url=self.place.address, limits=limits)
        return self._client

    def _send(self, method: str, path: str, timeout: float, query: dict[str, str], **request: Any) -> Any:
        asked = urlencode({"project": self.place.project, **query})
        url = f"{path}{'&' if '?' in path else '?'}{asked}"
        try:
            answer = self._http().request(method, url, timeout=timeout, **request)
        except (httpx.HTTPError, OSError) as exc:
            raise IncusError(str(exc) or type(exc).__name__) from exc
        try:
            row = answer.json()
        except ValueError:
            raise IncusError(f"{method} {path}: the answer is not Incus's ({answer.status_code})") from None
        if row.get("type") == "error" or answer.status_code >= httpx.codes.BAD_REQUEST:
            raise IncusError(str(row.get("error") or "refused"), int(row.get("error_code") or answer.status_code))
        return row

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Do what the server does at once; return its ``metadata``.

        Raises:
            IncusError: it refused, or does not answer.
        """
        return self._send(method, path, CALL_SECONDS, query, json=body)["metadata"]

    def begin(self, method: str, path: str, body: Any = None, **query: str) -> str:
        """Begin what takes the server longer; return the operation for :meth:`wait`."""
        return str(self._send(method, path, CALL_SECONDS, query, json=body)["operation"])

    def wait(self, operation: str) -> Any:
        """Wait for the end of *operation*; return its metadata."""
        path = f"{operation.partition('?')[0]}/wait"
        query = {"timeout": str(int(OPERATION_SECONDS))}
        row = self._send("GET", path, OPERATION_SECONDS + CALL_SECONDS, query)["metadata"]
        if row.get("status") != "Success":
            said = str(row.get("err") or f"{row.get('description')}: {row.get('status')}")
            raise IncusError(said, int(row.get("status_code") or 0))
        return row.get("metadata") or {}

    def run(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Do what takes the server longer, and wait for it."""
        return self.wait(self.begin(method, path, body, **query))

    def upload_image(self, parts: Iterable[bytes], properties: dict[str, str]) -> str:
        """Give the server an image, a unified tar archive, piece by piece; return its fingerprint."""
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Incus-public": "0",
            "X-Incus-properties": urlencode(properties),
        }
        row = self._send("POST", "/1.0/images", OPERATION_SECONDS, {}, content=parts, headers=headers)
        return str(self.wait(str(row["operation"]))["fingerprint"])

    def put_file(self, instance: str, path: str, text: str, mode: int) -> None:
        """Write a file of root's in an instance, in a folder that only root may enter if there is none yet."""
        folder = path.rpartition("/")[0]
        as_root = {"X-Incus-uid": "0", "X-Incus-gid": "0"}
        with suppress(IncusError):  # it is there
            headers = as_root | {"X-Incus-type": "directory", "X-Incus-mode": "0700"}
            self._send("POST", f"/1.0/instances/{instance}/files", CALL_SECONDS, {"path": folder}, headers=headers)
        headers = as_root | {"X-Incus-type": "file", "X-Incus-mode": f"{mode:04o}", "X-Incus-write": "overwrite"}
        content = f"{text.rstrip()}\n".encode()
        self._send(
            "POST", f"/1.0/instances/{instance}/files", CALL_SECONDS, {"path": path}, headers=headers, content=content
        )

    def instances(self) -> list[dict[str, Any]]:
        """Return every instance of the project, as the API describes it."""
        return list(self.call("GET", "/1.0/instances", recursion="1"))

    def instance(self, name: str) -> dict[str, Any] | None:
        """Return one instance, or None."""
        try:
            found: dict[str, Any] = self.call("GET", f"/1.0/instances/{quote(name, safe='')}")
        except IncusError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return found

    def remove_instances(self, names: Sequence[str]) -> None:
        """Stop and remove instances, all at the same time; missing ones are none to remove.

        Raises:
            IncusError: for the first that stayed, when all others were tried.
        """
        stop = {"action": "stop", "force": True, "timeout": -1}
        self._each([("PUT", f"/1.0/instances/{name}/state", stop) for name in names], forgive=True)
        self._each([("DELETE", f"/1.0/instances/{name}", None) for name in names])

    def _each(self, calls: Sequence[tuple[str, str, Any]], *, forgive: bool = False) -> None:
        begun: list[str] = []
        refused: list[IncusError] = []
        for method, path, body in calls:
            try:
                begun.append(self.begin(method, path, body))
            except IncusError as error:
                refused.append(error)
        for operation in begun:
            try:
                self.wait(operation)
            except IncusError as error:
                refused.append(error)
        serious = [error for error in refused if error.status != NOT_FOUND]
        if serious and not forgive:
            raise serious[0]
