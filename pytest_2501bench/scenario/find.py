"""Where scenarios are, and that no two share a key."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.old_form import shown_path

FILE_NAME = "scenario.json"


def find_scenarios(root: Path) -> list[Path]:
    """Return every ``scenario.json`` below *root* (or *root* itself), sorted.

    Hidden folders are skipped, links to folders are not followed, and a scenario's own folder is not searched: what
    lies in it is its payload.
    """
    if root.is_file():
        return [root] if root.name == FILE_NAME else []
    found = []
    for folder, folders, files in os.walk(root):
        if FILE_NAME in files:
            found.append(Path(folder, FILE_NAME))
            folders.clear()
        else:
            folders[:] = [name for name in folders if not name.startswith(".")]
    return sorted(found)


def check_unique_keys(loaded: Iterable[LoadedScenario], *, root: Path | None = None) -> None:
    """Refuse scenarios that share a key.

    Raises:
        BenchError: ``scenario_invalid``, one line per clash, naming both files.
    """
    first: dict[str, LoadedScenario] = {}
    clashes = []
    for scenario in loaded:
        other = first.setdefault(scenario.scenario.key, scenario)
        if other.directory != scenario.directory:
            here, there = (shown_path(item.directory / FILE_NAME, root) for item in (scenario, other))
            clashes.append(
                f"{here}: /key: '{scenario.scenario.key}' is the key of {there} already. Keys must be unique."
            )
    if clashes:
        raise BenchError(Cause.SCENARIO_INVALID, "\n".join(clashes))
