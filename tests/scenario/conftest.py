"""Scenario files of one's own making."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.problems import ScenarioError

Write = Callable[..., Path]
Load = Callable[..., LoadedScenario]
Complaints = Callable[..., list[str]]


@pytest.fixture
def document() -> dict[str, Any]:
    """The smallest scenario."""
    return {
        "key": "nginx/001",
        "title": "nginx does not start",
        "description": "A semicolon is missing.",
        "ticket_title": "The shop is down",
        "ticket_body": "Customers see an error page.",
    }


@pytest.fixture
def write(tmp_path: Path, document: dict[str, Any]) -> Write:
    """Write a scenario.json: the smallest scenario with *fields* changed, or *text* as it is."""

    def make(text: str | bytes | None = None, *, folder: str = "nginx/001", **fields: Any) -> Path:
        path = tmp_path / folder / "scenario.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(json.dumps(document | fields, indent=2) if text is None else text, encoding="utf-8")
        return path

    return make


@pytest.fixture
def load(write: Write, tmp_path: Path) -> Load:
    """Write and load."""

    def make(text: str | bytes | None = None, *, validators: Any = (), **fields: Any) -> LoadedScenario:
        return load_scenario(write(text, **fields), validators=validators, root=tmp_path)

    return make


@pytest.fixture
def complaints(load: Load) -> Complaints:
    """Load what must be refused; return the lines of the message without the file's name."""

    def lines(text: str | bytes | None = None, **fields: Any) -> list[str]:
        with pytest.raises(ScenarioError) as caught:
            load(text, **fields)
        prefix = "nginx/001/scenario.json: "
        found = caught.value.message.split("\n")
        assert all(line.startswith(prefix) for line in found)
        return [line.removeprefix(prefix) for line in found]

    return lines
