"""The 0.3 form: accepted, and the way out of it shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.scenario.load import load_scenario, migration_hint
from pytest_2501bench.scenario.model import LoadedScenario

Write = Callable[..., Path]
Load = Callable[..., LoadedScenario]
Complaints = Callable[..., list[str]]
OLD = {"key": "nginx/001", "name": "nginx is down", "description": "Repair nginx – please.", "tags": ["web"]}


def test_name_and_description_become_todays_fields(load: Load) -> None:
    loaded = load(json.dumps(OLD))
    scenario = loaded.scenario
    assert loaded.migrated
    assert scenario.title == scenario.ticket_title == "nginx is down"
    assert scenario.ticket_body == "Repair nginx – please."
    assert "Repair" not in scenario.description
    assert scenario.tags == ("web",)


def test_the_warning_holds_the_new_form_to_paste(write: Write, tmp_path: Path) -> None:
    path = write(json.dumps(OLD))
    head, _, pasted = migration_hint(path, root=tmp_path).partition("\n")
    assert head.startswith("nginx/001/scenario.json: this is the 0.3 form")
    assert "–" in pasted
    assert list(json.loads(pasted)) == ["key", "title", "description", "ticket_title", "ticket_body", "tags"]
    old = load_scenario(path)
    path.write_text(pasted, encoding="utf-8")
    new = load_scenario(path)
    assert not new.migrated
    assert (new.scenario, new.digests) == (old.scenario, old.digests)


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"description": None}, ["/description: must be a string, not null"]),
        ({"name": ""}, ["/name: must not be empty"]),
        ({"name": 3, "tagz": 1}, ["/name: must be a string, not a number", "/tagz: unknown field 'tagz'."]),
    ],
)
def test_mistakes_are_told_in_the_old_names(
    complaints: Complaints, change: dict[str, Any], messages: list[str]
) -> None:
    found = complaints(json.dumps(OLD | change))
    assert [line.removesuffix(" Did you mean 'tags'?") for line in found] == messages


def test_a_missing_description_is_told_in_the_old_names(complaints: Complaints) -> None:
    text = json.dumps({"key": "a", "name": "x"})
    assert complaints(text) == ["'description' is missing. Required in the 0.3 form: key, name, description."]


def test_the_key_is_required_in_the_old_form_too(complaints: Complaints) -> None:
    (line,) = complaints(json.dumps({"name": "x", "description": "y"}))
    assert line.startswith("'key' is missing.")


def test_a_mixture_of_both_forms_is_todays_form(complaints: Complaints) -> None:
    found = complaints(json.dumps(OLD | {"title": "x"}))
    assert any("'name'" in line and "0.3 form" in line for line in found)
    assert any("'ticket_body' is missing" in line for line in found)
