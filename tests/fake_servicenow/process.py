"""Starts the fake as a process of its own, and talks to its controls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

TESTS = Path(__file__).parents[1]


@dataclass
class Fake:
    """A running fake."""

    url: str
    pid: int

    @property
    def variables(self) -> dict[str, str]:
        """Settings that log in with a password."""
        return {"SERVICENOW_URL": self.url, "SERVICENOW_USER": "bench", "SERVICENOW_PASSWORD": "secret-of-bench"}

    @property
    def oauth(self) -> dict[str, str]:
        """Settings that log in with client credentials."""
        return {
            "SERVICENOW_URL": self.url,
            "SERVICENOW_CLIENT_ID": "bench-client",
            "SERVICENOW_CLIENT_SECRET": "secret-of-client",
        }

    def break_next(self, **fault: Any) -> None:
        """Have one fault; see faults.Fault."""
        self.faults(fault)

    def faults(self, *faults: dict[str, Any]) -> None:
        """Have these faults, and no others."""
        self._put("faults", list(faults))

    def set(self, **settings: Any) -> None:
        """Change how it behaves."""
        self._put("settings", settings)

    def rows(self, table: str) -> list[dict[str, str]]:
        """Return a table as it is stored."""
        rows: list[dict[str, str]] = httpx.get(f"{self.url}/_fake/rows/{table}", trust_env=False).json()
        return rows

    def requests(self) -> list[list[str]]:
        """Return [method, path?query] of everything that was asked."""
        requests: list[list[str]] = httpx.get(f"{self.url}/_fake/requests", trust_env=False).json()
        return requests

    def _put(self, what: str, body: Any) -> None:
        httpx.put(f"{self.url}/_fake/{what}", json=body, trust_env=False).raise_for_status()


@contextmanager
def fake_servicenow(*arguments: str) -> Iterator[Fake]:
    """Run a fake for as long as the context lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fake_servicenow", *arguments],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        text=True,
    )
    try:
        assert process.stdout is not None
        yield Fake(json.loads(process.stdout.readline())["url"], process.pid)
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()
