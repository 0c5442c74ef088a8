"""Which items ``--scenarios`` and ``--changed-since`` leave out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_2501bench.collect import Check
from pytest_2501bench.errors import BenchError
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.state import STATE
from pytest_2501bench.verdict import VerdictItem


def deselected(config: pytest.Config, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the items of scenarios that were not asked for.

    Raises:
        pytest.UsageError: a name means no scenario, or there is no such revision.
    """
    state = config.stash[STATE]
    scenarios = {loaded.scenario.key: loaded for item in items if (loaded := scenario_of(item)) is not None}
    if not (scenarios or state.keys):
        return []  # a project without scenarios
    try:
        wanted = set(scenarios)
        if state.settings.scenarios:
            from pytest_2501bench.scenario.select import select

            known = {key: loaded.scenario.tags for key, loaded in scenarios.items()}
            wanted &= set(select(known.items(), ",".join(state.settings.scenarios)))
        if state.settings.changed_since:
            wanted &= _touched(config, state.settings.changed_since, list(scenarios.values()))
    except BenchError as exc:
        raise pytest.UsageError(str(exc)) from None
    return [item for item in items if (loaded := scenario_of(item)) is not None and loaded.scenario.key not in wanted]


def scenario_of(item: pytest.Item) -> LoadedScenario | None:
    """Return the scenario that *item* belongs to; None for other items."""
    if isinstance(item, Check):
        return item.run.loaded
    return item.loaded if isinstance(item, VerdictItem) else claimed_by(item)


def claimed_by(item: pytest.Item) -> LoadedScenario | None:
    """Return the scenario whose claim *item* is, with ``--selfcheck``; None for other items."""
    if not item.config.stash[STATE].settings.selfcheck:
        return None
    from pytest_2501bench.selfcheck.items import ClaimItem

    return item.loaded if isinstance(item, ClaimItem) else None


def _touched(config: pytest.Config, revision: str, scenarios: Sequence[LoadedScenario]) -> set[str]:
    from pytest_2501bench.sandbox.templates import load_templates
    from pytest_2501bench.scenario.changed import changed_files, touched_by

    files = changed_files(config.rootpath, revision)
    templates = load_templates(config.stash[STATE].settings.vm_templates_path)
    return {each.scenario.key for each in scenarios if touched_by(each, files, templates, config.rootpath)}
