"""Whether runs were measured with the same instrument: scenario, rules, template, mode, as their version keys say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_2501bench.report.model import ScenarioReport

SUBJECT: Final = ("agent", "main_engine", "secondary_engine", "specialty")
"""Parts of a version key that say who was measured; all others say with what."""


def instrument(report: ScenarioReport) -> dict[str, str]:
    """Return the parts of a run's version key that must be equal for rates to be comparable."""
    return {name: value for name, value in report.version_key.items() if name not in SUBJECT}


def differences(keys: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the names of the parts in which *keys* are not all alike."""
    listed = list(keys)
    names = dict.fromkeys(name for key in listed for name in key)
    return tuple(name for name in names if len({key.get(name) for key in listed}) > 1)


def mixtures(a: Iterable[ScenarioReport], b: Iterable[ScenarioReport]) -> list[str]:
    """Return, one line per scenario, why runs of A and B cannot be compared; empty when they can.

    Within a side nothing may differ, who was measured included; between the sides only that may.
    """
    lines = []
    sides: list[dict[str, list[ScenarioReport]]] = []
    for reports in (a, b):
        by_key: dict[str, list[ScenarioReport]] = {}
        for report in reports:
            by_key.setdefault(report.key, []).append(report)
        sides.append(by_key)
    for key in sorted(sides[0].keys() & sides[1].keys()):
        for name, side in zip("AB", sides, strict=True):
            within = differences(report.version_key for report in side[key])
            if within:
                lines.append(f"{key}: runs of {name} differ in {', '.join(within)}")
        between = differences(instrument(report) for side in sides for report in side[key])
        if between and not any(line.startswith(f"{key}: ") and set(between) <= set(line.split()) for line in lines):
            lines.append(f"{key}: A and B differ in {', '.join(between)}")
    return lines
