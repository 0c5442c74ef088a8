"""The 0.3/0.4 form of scenario.json: ``name`` and ``description`` in place of title, ticket_title and ticket_body."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_2501bench.scenario.json_text import Json, parse_object, read_text

_NEW = ("title", "ticket_title", "ticket_body")


def is_old_form(data: Json) -> bool:
    """Say whether *data* is of the old form: ``name`` is there, and none of the fields that replaced it."""
    return "name" in data and not any(name in data for name in _NEW)


def migrated(data: Json) -> Json:
    """Return *data* in today's form. The old description was the instruction, so it becomes the ticket's body."""
    name = data["name"]
    new: Json = {"key": data["key"]} if "key" in data else {}
    new.update(title=name, description=name, ticket_title=name)
    if "description" in data:
        new["ticket_body"] = data["description"]
    return new | {field: value for field, value in data.items() if field not in ("key", "name", "description")}


def migration_hint(path_to_scenario_json: Path, *, root: Path | None = None) -> str:
    """Return the warning for a file of the old form, with the new form to paste.

    Args:
        path_to_scenario_json: a file for which :attr:`LoadedScenario.migrated` is true.
        root: show the path relative to this folder.
    """
    data = migrated(parse_object(read_text(path_to_scenario_json)))
    shown = shown_path(path_to_scenario_json, root)
    return (
        f"{shown}: this is the 0.3 form ('name' was the title, 'description' the instruction). It still works; "
        "replace it by the following, and make 'description' a note for yourself:\n"
        + json.dumps(data, indent=2, ensure_ascii=False)
    )


def shown_path(path: Path, root: Path | None) -> str:
    """Return *path* as messages show it: relative to *root* when it is inside."""
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.as_posix()
