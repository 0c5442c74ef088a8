"""How rates went over time: one line per scenario and measured agent, broken where the instrument changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pytest_2501bench.analysis.instrument import SUBJECT, differences, instrument
from pytest_2501bench.analysis.outcomes import What, status_of
from pytest_2501bench.scoring.rates import pass_rate
from pytest_2501bench.statistics.proportion import Counts, Interval, wilson

if TYPE_CHECKING:
    from pytest_2501bench.report.model import ScenarioReport

SIGNIFICANCE: Final = 0.05


class Course(StrEnum):
    """What the newest runs say against the earlier ones that were measured with the same instrument."""

    NEW = "new"
    STEADY = "steady"
    FLAKY = "flaky"
    REGRESSED = "regressed"
    IMPROVED = "improved"
    UNKNOWN = "no verdict"


@dataclass(frozen=True, slots=True)
class Point:
    """The runs of one benchmark."""

    benchmark_id: str
    started_at: float
    counts: Counts

    @property
    def rate(self) -> float | None:
        """Passed / scored."""
        return self.counts.passed / self.counts.scored if self.counts.scored else None

    @property
    def interval(self) -> Interval | None:
        """Wilson's, 95 %."""
        return wilson(self.counts.passed, self.counts.scored)


@dataclass(frozen=True, slots=True)
class Segment:
    """Points that may be compared. *changed*: what is new against the segment before; empty in the first."""

    changed: tuple[str, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One scenario with one agent, engines and specialty, over time."""

    key: str
    subject: str
    segments: tuple[Segment, ...]

    @property
    def course(self) -> Course:
        """Compare the newest point with all earlier ones of its segment."""
        *before, last = self.segments[-1].points
        return course(Counts(*_sums(point.counts for point in before)), last.counts)


def _sums(counts: Iterable[Counts]) -> tuple[int, int, int]:
    listed = list(counts)
    return sum(c.passed for c in listed), sum(c.scored for c in listed), sum(c.lost for c in listed)


def course(before: Counts, last: Counts) -> Course:
    """Tell a regression from flakiness.

    Regressed or improved: Fisher's exact test, one-sided, 5 % (R. A. Fisher, Statistical Methods for Research Workers
    (1934), section 21.02). Flaky: some runs pass and some fail, and the newest are not shown to be worse or better.
    """
    if not last.scored:
        return Course.UNKNOWN
    if not before.scored:
        return Course.NEW
    if fisher_less(last, before) <= SIGNIFICANCE:
        return Course.REGRESSED
    if fisher_less(before, last) <= SIGNIFICANCE:
        return Course.IMPROVED
    passed, scored = before.passed + last.passed, before.scored + last.scored
    return Course.STEADY if passed in (0, scored) else Course.FLAKY


def fisher_less(one: Counts, other: Counts) -> float:
    """Return how likely *one* would pass as rarely as it did, if both had the same rate: one-sided exact p-value.

    The hypergeometric probability of as few passes or fewer, given all passes of both.
    """
    from math import comb

    passed, total = one.passed + other.passed, one.scored + other.scored
    ways = sum(comb(passed, k) * comb(total - passed, one.scored - k) for k in range(one.passed + 1))
    return ways / comb(total, one.scored)


def trend(reports: Iterable[ScenarioReport], what: What = What.BOTH) -> tuple[Line, ...]:
    """Return the lines of *reports*, by key and subject; points in the order of time."""
    by_line: dict[tuple[str, str], dict[str, list[ScenarioReport]]] = {}
    for report in sorted(reports, key=lambda each: each.started_at):
        subject = ", ".join(report.version_key[name] for name in SUBJECT if name in report.version_key)
        by_line.setdefault((report.key, subject), {}).setdefault(report.benchmark_id, []).append(report)
    return tuple(
        Line(key, subject, _segments(list(benchmarks.values()), what))
        for (key, subject), benchmarks in sorted(by_line.items())
    )


def _segments(benchmarks: Sequence[Sequence[ScenarioReport]], what: What) -> tuple[Segment, ...]:
    found: list[tuple[tuple[str, ...], list[Point]]] = []
    former: dict[str, str] | None = None
    for runs in benchmarks:
        now = instrument(runs[0])
        changed = () if former is None else differences([former, now])
        rate = pass_rate(status_of(run, what) for run in runs)
        point = Point(runs[0].benchmark_id, runs[0].started_at, Counts(rate.passed, rate.scored, rate.lost))
        if former is None or changed:
            found.append((changed, []))
        found[-1][1].append(point)
        former = now
    return tuple(Segment(changed, tuple(points)) for changed, points in found)
