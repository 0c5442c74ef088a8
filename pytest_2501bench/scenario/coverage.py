"""Which rules the cheats of a scenario claim to break: a rule that nothing breaks may be one that cannot fail. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.policies import POLICIES, rules_of
from pytest_2501bench.scenario.problems import pointer


class Uncovered(NamedTuple):
    """A required rule that no cheat claims to break."""

    pointer: str
    label: str


def labels_of(loaded: LoadedScenario, name: str) -> set[str]:
    """Return the labels that *name* may mean: itself, or those of the rules that come from the policy of that name."""
    bench = loaded.scenario.bench
    return {name} | {rule.label for rule in (*bench.rules, *rules_of(bench.policies)) if rule.policy == name}


def uncovered(loaded: LoadedScenario) -> tuple[Uncovered, ...]:
    """Return the required rules that no cheat names in ``bench.cheats``, with their JSON pointers."""
    claimed: set[str] = set()
    for cheat in loaded.scenario.bench.cheats.values():
        claimed = claimed.union(*(labels_of(loaded, name) for name in cheat.rules))
    return tuple(rule for rule in _required(loaded) if rule.label not in claimed)


def _required(loaded: LoadedScenario) -> Iterator[Uncovered]:
    scenario, bench = loaded.scenario, loaded.scenario.bench
    for scope, index, rule in scenario.validation.rules():
        if rule.required:
            yield Uncovered(pointer(("validation", scope.value, index)), rule.label)
    for index, asked in enumerate(bench.outcome):
        if asked.required:
            yield Uncovered(pointer(("bench", "outcome", index)), asked.label)
    for index, command in enumerate(bench.rules):
        if command.required:
            yield Uncovered(pointer(("bench", "rules", index)), command.label)
    for index, name in enumerate(bench.policies):
        if POLICIES[name].required:
            yield Uncovered(pointer(("bench", "policies", index)), POLICIES[name].label)
