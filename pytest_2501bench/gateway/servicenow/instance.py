"""Which ServiceNow instance, as whom, and what kind of record: the ``SERVICENOW_*`` settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import Any

import httpx

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.gateway.http import is_loopback

PREFIX = "SERVICENOW_"
TABLES = ("incident", "change_request")
_NAMES = {
    f"{PREFIX}{name}"
    for name in ("URL", "USER", "PASSWORD", "CLIENT_ID", "CLIENT_SECRET", "TABLE", "GROUP", "CALLER", "CLOSE")
}
_TRUTH = {"1": True, "yes": True, "true": True, "on": True, "0": False, "no": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance and how it is used.

    Attributes:
        url: its address, without a path.
        table: ``incident`` or ``change_request``.
        group: assignment group of new records, by name or sys_id.
        caller: who opens them, by user name or sys_id.
        close: close a run's record after the run; else it stays as the engine left it.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    table: str = "incident"
    group: str | None = None
    caller: str | None = None
    close: bool = True

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Instance:
        """Return what *variables* (``SERVICENOW_URL`` …) say.

        Raises:
            BenchError: ``gateway_unavailable``: one is missing or wrong. Secrets are never shown.
        """
        said = {name.removeprefix(PREFIX): value.strip() for name, value in variables.items() if value.strip()}
        oauth, basic = ("CLIENT_ID", "CLIENT_SECRET"), ("USER", "PASSWORD")
        pair = oauth if any(name in said for name in oauth) else basic
        missing = [f"{PREFIX}{name}" for name in ("URL", *pair) if name not in said]
        if missing:
            raise _wrong(f"{', '.join(missing)}: not set.", _advice(variables))
        for name in pair:
            # What no header can carry; the value itself is a secret, or next to one.
            if not said[name].isprintable():
                raise _wrong(f"{PREFIX}{name}: has control characters.")
        table = said.get("TABLE", "incident")
        if table not in TABLES:
            close = get_close_matches(table, TABLES, 1, 0.5)
            raise _wrong(f"{PREFIX}TABLE={table}: must be {' or '.join(TABLES)}.", _meant(close))
        for name in ("GROUP", "CALLER"):
            if "^" in said.get(name, ""):  # it separates the conditions of a query, and cannot be escaped there
                raise _wrong(f"{PREFIX}{name}={said[name]}: cannot have a ^.")
        word = said.get("CLOSE", "yes").lower()
        if word not in _TRUTH:
            raise _wrong(f"{PREFIX}CLOSE={said['CLOSE']}: must be yes or no.")
        credentials = {name.lower(): said[name] for name in pair}
        return cls(
            _address(said["URL"]),
            table=table,
            group=said.get("GROUP"),
            caller=said.get("CALLER"),
            close=_TRUTH[word],
            **credentials,
        )

    def private(self) -> dict[str, Any]:
        """Return everything, secrets included, for a private channel; :class:`Instance` takes it back."""
        return asdict(self)


def _address(text: str) -> str:
    try:
        url = httpx.URL(text.rstrip("/"))
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.path not in {"", "/"}:
        shown = url.copy_with(username=None, password=None) if url.userinfo else text
        raise _wrong(
            f"{PREFIX}URL={shown}: is not an instance's address.",
            "It should look like https://dev12345.service-now.com.",
        )
    if url.scheme == "http" and not is_loopback(url):
        raise _wrong(f"{PREFIX}URL={text}: must begin with https://, or the password would travel in clear.")
    return str(url).rstrip("/")


def _advice(variables: Mapping[str, str]) -> str:
    strange = [name for name in variables if name.startswith(PREFIX) and name not in _NAMES]
    for name in strange:
        if close := get_close_matches(name, sorted(_NAMES - variables.keys()), 1, 0.8):
            return f"There is {name}; did you mean {close[0]}?"
    return "Set them in the environment or in the env file; see docs/gateways.md."


def _meant(close: list[str]) -> str:
    return f"Did you mean {close[0]}?" if close else ""


def _wrong(message: str, remedy: str = "") -> BenchError:
    return BenchError(Cause.GATEWAY_UNAVAILABLE, f"--gateway servicenow: {message}", remedy=remedy)


SYS_ID = re.compile(r"^[0-9a-f]{32}$")
"""What the key of every ServiceNow record looks like."""
