"""Checks on what ``--selfcheck`` plays: a healthy host, cheats that say what they break, rules that some cheat breaks.

A scenario without any ``cheat-*.yml`` takes no part, and nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_2501bench.scenario.coverage import uncovered
from pytest_2501bench.scenario.lint.finding import Raw
from pytest_2501bench.scenario.lint.playbook import FAULT_TAG, Playbook
from pytest_2501bench.scenario.model import Kind, LoadedScenario
from pytest_2501bench.scenario.problems import pointer, suggestion


def proof(loaded: LoadedScenario, read: Mapping[str, Playbook]) -> Iterator[Raw]:
    """Yield what is to be said of cheats, and of rules that no cheat breaks.

    Args:
        loaded: the scenario.
        read: its playbooks by name, without suffix.
    """
    cheats, told = loaded.repairs("cheat"), loaded.scenario.bench.cheats
    for name in told:
        if name not in cheats:
            advice = suggestion(name, sorted(cheats), noun="Cheats")
            yield Raw("SC602", f"there is no cheat-{name}.yml. {advice}".rstrip(), pointer(("bench", "cheats", name)))
    for name, path in cheats.items():
        if name not in told:
            yield Raw("SC602", f"bench.cheats does not say what cheat '{name}' must break", path=path)
    if not cheats:
        return
    for rule in uncovered(loaded):
        yield Raw("SC603", f"no cheat breaks '{rule.label}': nothing shows that it can fail", rule.pointer)
    prepare = read.get("prepare")
    if prepare is None or prepare.problem is not None or loaded.scenario.bench.kind is not Kind.REMEDIATION:
        return
    if not prepare.has_tag(FAULT_TAG) and not any(play.opaque for play in prepare.plays):
        said = "no task has the tag 'fault': the healthy host is the one before prepare.yml"
        yield Raw("SC601", said, path=prepare.path, line=1, column=1)
