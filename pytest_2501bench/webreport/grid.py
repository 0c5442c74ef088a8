"""Scenarios by measured agents and engines: each cell with its rates, its counts and how it went over time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.analysis.trend import Course
from pytest_2501bench.statistics.proportion import Counts, Interval, wilson
from pytest_2501bench.webreport.charts import Spark, spark
from pytest_2501bench.webreport.trends import VersionKeys, scenario_lines, total

if TYPE_CHECKING:
    from pytest_2501bench.store.aggregate import Group

MOST_COLUMNS: Final = 8


@dataclass(frozen=True, slots=True)
class Cell:
    """The runs of one scenario with one agent, those of the newest version of the scenario only.

    Attributes:
        both: passed both gates, of how many.
        task: passed task validation.
        compliance: passed compliance.
        interval: of *both*; None when nothing was scored.
        course: newest benchmark against the earlier ones.
        spark: the line over time; None for a single benchmark.
        older: runs of former versions, which are not counted.
        benchmark_id: the newest one.
    """

    both: Counts
    task: Counts
    compliance: Counts
    interval: Interval | None
    course: Course
    spark: Spark | None
    older: int
    benchmark_id: str

    @property
    def rate(self) -> float | None:
        """Passed / scored, both gates."""
        return self.both.passed / self.both.scored if self.both.scored else None

    @property
    def shade(self) -> str:
        """``all``, ``most``, ``some``, ``no`` or ``lost``: for the colour, which the words beside it repeat."""
        rate = self.rate
        if rate is None:
            return "lost"
        return "all" if rate == 1 else "most" if rate >= 0.8 else "some" if rate > 0 else "no"


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario; a cell per subject, None where it never ran."""

    key: str
    title: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows in the order of their keys, subjects with the newest runs first; *counted*: what the cells count."""

    subjects: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: int
    counted: tuple[Group, ...] = ()


def make_grid(groups: Sequence[Group], keys: VersionKeys) -> Grid:
    """Return the grid of *groups*, which are in the order of time."""
    latest: dict[str, float] = {}
    of: dict[tuple[str, str], list[Group]] = {}
    titles: dict[str, str] = {}
    for group in groups:
        latest[group.subject] = max(latest.get(group.subject, 0), group.started_at)
        of.setdefault((group.key, group.subject), []).append(group)
        titles[group.key] = group.title
    subjects = sorted(latest, key=lambda subject: (-latest[subject], subject))
    shown = subjects[:MOST_COLUMNS]
    lines = scenario_lines(groups, keys, What.BOTH)
    rows: list[Row] = []
    everything: list[Group] = []
    for key in sorted(titles):
        cells: list[Cell | None] = []
        for subject in shown:
            own = of.get((key, subject))
            if own is None:
                cells.append(None)
                continue
            line = lines[key, subject]
            comparable = {point.benchmark_id for point in line.segments[-1].points}
            counted = [group for group in own if group.benchmark_id in comparable]
            everything += counted
            both = total(counted, What.BOTH)
            cells.append(
                Cell(
                    both=both,
                    task=total(counted, What.TASK_VALIDATION),
                    compliance=total(counted, What.COMPLIANCE),
                    interval=wilson(both.passed, both.scored),
                    course=line.course,
                    spark=spark(line),
                    older=sum(group.runs for group in own if group.benchmark_id not in comparable),
                    benchmark_id=own[-1].benchmark_id,
                )
            )
        rows.append(Row(key, titles[key], tuple(cells)))
    return Grid(tuple(shown), tuple(rows), len(subjects) - len(shown), tuple(everything))
