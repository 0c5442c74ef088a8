"""Starts the fake as a process of its own, and asks it what it was asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Fake:
    """A running fake."""

    url: str
    pid: int

    @property
    def variables(self) -> dict[str, str]:
        """Settings with which ``fake/NAME`` speaks OpenAI's API to it, and ``faked/NAME`` Anthropic's."""
        return {
            "FAKE_BASE_URL": f"{self.url}/v1",
            "FAKED_BASE_URL": f"anthropic+{self.url}",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def load(self, talks: Sequence[dict[str, Any]], key: str | None = None) -> None:
        """Let it say something else, and forget what it was asked."""
        params = {} if key is None else {"key": key}
        body = {"talks": list(talks)}
        httpx.put(f"{self.url}/_fake/script", json=body, params=params, trust_env=False).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """Return everything that was asked."""
        asked: list[dict[str, Any]] = httpx.get(f"{self.url}/_fake/requests", trust_env=False).json()
        return asked


@contextmanager
def fake_model(talks: Sequence[dict[str, Any]], *arguments: str) -> Iterator[Fake]:
    """Run a fake that knows *talks*, for as long as the context lasts."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as script:
        json.dump({"talks": list(talks)}, script)
        script.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "fake_model", script.name, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a stream that is cut on purpose is a traceback there
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
