"""What the first page, a benchmark's page and a scenario's page show, made from counted runs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_2501bench.webreport.charts import TrendChart, trend_chart
from pytest_2501bench.webreport.grid import Grid, make_grid
from pytest_2501bench.webreport.rates import NAMES, rates
from pytest_2501bench.webreport.slices import Slice, slices
from pytest_2501bench.webreport.trends import VersionKeys, scenario_lines, subject_lines

if TYPE_CHECKING:
    from pytest_2501bench.report.model import Benchmark
    from pytest_2501bench.report.totals import NamedRate
    from pytest_2501bench.store.aggregate import Group, RunRow

SHOWN_BENCHMARKS: Final = 25
"""On the first page; the others are on a page of their own."""


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One benchmark with its counts."""

    head: Benchmark
    runs: int
    scenarios: int
    subjects: tuple[str, ...]
    rates: tuple[NamedRate, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page.

    Attributes:
        newest: the newest benchmark that has runs; None without any.
        attention: its runs that did not pass, newest first.
        charts: pass rate, compliance rate and both gates over time.
        grid: scenarios by measured agents.
        slices: rates by tag, engine and so on, of the runs that the grid counts.
        benchmarks: the newest ones, newest first.
        runs: all there are.
        benchmark_count: all there are.
    """

    newest: BenchmarkRow | None
    attention: tuple[RunRow, ...]
    charts: tuple[TrendChart, ...]
    grid: Grid
    slices: tuple[Slice, ...]
    benchmarks: tuple[BenchmarkRow, ...]
    runs: int
    benchmark_count: int


def overview(
    rows: Sequence[BenchmarkRow],
    groups: Sequence[Group],
    keys: VersionKeys,
    tags: Mapping[str, Sequence[str]],
    attention: Callable[[str], tuple[RunRow, ...]],
) -> Overview:
    """Return the first page of all *groups*; *attention* gives the red runs of a benchmark."""
    grid = make_grid(groups, keys)
    return Overview(
        newest=rows[0] if rows else None,
        attention=attention(rows[0].head.id) if rows else (),
        charts=charts(groups, keys),
        grid=grid,
        slices=slices(grid.counted, tags),
        benchmarks=tuple(rows[:SHOWN_BENCHMARKS]),
        runs=sum(group.runs for group in groups),
        benchmark_count=len(rows),
    )


def benchmark_rows(heads: Iterable[Benchmark], groups: Iterable[Group]) -> list[BenchmarkRow]:
    """Return the benchmarks that have runs, newest first."""
    of: dict[str, list[Group]] = {}
    for group in groups:
        of.setdefault(group.benchmark_id, []).append(group)
    newest_first = sorted(heads, key=lambda head: (-head.started_at, head.id))
    return [
        BenchmarkRow(
            head=head,
            runs=sum(group.runs for group in of[head.id]),
            scenarios=len({group.key for group in of[head.id]}),
            subjects=tuple(dict.fromkeys(group.subject for group in of[head.id])),
            rates=rates(of[head.id]),
        )
        for head in newest_first
        if head.id in of
    ]


def charts(groups: Sequence[Group], keys: VersionKeys, *, key: str = "") -> tuple[TrendChart, ...]:
    """Return how the rates of all scenarios went, or those of scenario *key*."""
    found = []
    for what, name in NAMES.items():
        if key:
            lines = {subject: line for (own, subject), line in scenario_lines(groups, keys, what).items() if own == key}
        else:
            lines = subject_lines(groups, keys, what)
        found.append(trend_chart(f"trend-{what.value}", name[0].upper() + name[1:], lines))
    return tuple(chart for chart in found if chart is not None)
