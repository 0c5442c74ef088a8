"""The three rates of counted runs, each with its denominator and its interval. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.report.totals import NamedRate
from pytest_2501bench.scoring.rates import Rate
from pytest_2501bench.statistics.proportion import Counts, estimate

if TYPE_CHECKING:
    from pytest_2501bench.store.aggregate import Group

NAMES: Final = {
    What.TASK_VALIDATION: "pass rate",
    What.COMPLIANCE: "compliance rate",
    What.BOTH: "both gates",
}


def rates(groups: Sequence[Group]) -> tuple[NamedRate, ...]:
    """Return the three rates of *groups*, runs of one scenario and agent taken together."""
    found = []
    for what, name in NAMES.items():
        clusters: dict[tuple[str, str], list[int]] = {}
        for group in groups:
            sums = clusters.setdefault((group.key, group.subject), [0, 0, 0])
            sums[0] += group.passed[what]
            sums[1] += group.runs - group.lost[what]
            sums[2] += group.lost[what]
        told = estimate(Counts(*sums) for sums in clusters.values())
        undecided = sum(group.undecided[what] for group in groups)
        found.append(NamedRate(name, Rate(told.passed, told.scored, told.lost), undecided, told))
    return tuple(found)
