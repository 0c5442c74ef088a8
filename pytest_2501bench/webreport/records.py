"""What pages are made from, read from the database once: heads, counted runs and version keys, as of one moment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.store.aggregate import groups, run_count, run_rows, scenario_tags, version_keys
from pytest_2501bench.webreport.comparison import Compared, compared, named_benchmarks, usual_sides
from pytest_2501bench.webreport.grid import make_grid
from pytest_2501bench.webreport.links import PAGE_ROWS, Links
from pytest_2501bench.webreport.overview import BenchmarkRow, benchmark_rows, charts, overview
from pytest_2501bench.webreport.page import render
from pytest_2501bench.webreport.run_page import run_view
from pytest_2501bench.webreport.slices import slices

if TYPE_CHECKING:
    from pytest_2501bench.report.model import Benchmark, ScenarioReport
    from pytest_2501bench.store.aggregate import Group, RunRow
    from pytest_2501bench.store.repository import Store

MOST_LISTED = 2_000
"""Benchmarks on their page."""
MOST_ATTENTION = 50
_SCENARIO_RUNS = 200


@dataclass(frozen=True)
class Records:
    """Everything that is counted; runs themselves are read when a page needs them.

    Each method returns one page of html, and raises ``database_lost``.

    Attributes:
        store: where runs are.
        bench_dir: where their evidence is.
        heads: benchmarks, oldest first.
        groups: counted runs, in the order of time.
        keys: version keys by digest.
        tags: of scenarios, by key.
        live: the pages are served.
    """

    store: Store
    bench_dir: Path
    heads: tuple[Benchmark, ...]
    groups: tuple[Group, ...]
    keys: Mapping[str, Mapping[str, str]]
    tags: Mapping[str, tuple[str, ...]]
    live: bool = False

    @classmethod
    def read(cls, store: Store, bench_dir: Path, *, live: bool = False) -> Records:
        """Ask the database."""
        return cls(store, bench_dir, store.benchmarks(), groups(store), version_keys(store), scenario_tags(store), live)

    def _page(self, template: str, links: Links, place: str = "", **values: Any) -> str:
        return render(template, live=self.live, links=links, place=place, made=time.time(), **values)

    @cached_property
    def rows(self) -> list[BenchmarkRow]:
        """The benchmarks with runs, newest first."""
        return benchmark_rows(self.heads, self.groups)

    def keys_of_scenarios(self) -> list[str]:
        """Return the keys of all scenarios that ever ran."""
        return sorted({group.key for group in self.groups})

    def overview(self, links: Links) -> str:
        """Return the first page."""

        def red(benchmark_id: str) -> tuple[RunRow, ...]:
            return run_rows(self.store, benchmark_id=benchmark_id, passed=False, limit=MOST_ATTENTION)

        view = overview(self.rows, self.groups, self.keys, self.tags, red)
        return self._page("overview.html.j2", links, "overview", view=view)

    def benchmark_list(self, links: Links) -> str:
        """Return the page of all benchmarks."""
        rows = self.rows
        listed = rows[:MOST_LISTED]
        return self._page("benchmarks.html.j2", links, "benchmarks", rows=listed, left_out=len(rows) - len(listed))

    def benchmark(self, benchmark_id: str, links: Links, number: int = 1) -> str | None:
        """Return page *number* of a benchmark; None if there is no such page."""
        own = [group for group in self.groups if group.benchmark_id == benchmark_id]
        found = benchmark_rows((head for head in self.heads if head.id == benchmark_id), own)
        pages = self.pages_of(benchmark_id)
        if not found or not 1 <= number <= pages:
            return None
        runs = run_rows(self.store, benchmark_id=benchmark_id, limit=PAGE_ROWS, offset=PAGE_ROWS * (number - 1))
        return self._page(
            "benchmark.html.j2",
            links,
            row=found[0],
            grid=make_grid(own, self.keys),
            slices=slices(own, self.tags),
            runs=runs,
            number=number,
            pages=pages,
        )

    def pages_of(self, benchmark_id: str) -> int:
        """Return how many pages the runs of a benchmark fill."""
        runs = sum(group.runs for group in self.groups if group.benchmark_id == benchmark_id)
        return -(-runs // PAGE_ROWS)

    def scenario(self, key: str, links: Links) -> str | None:
        """Return the page of a scenario; None if it never ran."""
        own = [group for group in self.groups if group.key == key]
        if not own:
            return None
        return self._page(
            "scenario.html.j2",
            links,
            key=key,
            grid=make_grid(own, self.keys),
            charts=charts(own, self.keys, key=key),
            runs=run_rows(self.store, key=key, limit=_SCENARIO_RUNS),
            count=run_count(self.store, key=key),
        )

    def run(self, report: ScenarioReport, links: Links, stamp: str = "") -> str:
        """Return the page of one run."""
        view = run_view(report, self.bench_dir)
        replay = any(each.cast for each in view.replays)
        return self._page("run.html.j2", links, view=view, stamp=stamp, replay=replay)

    def usual_sides(self) -> tuple[str, str] | None:
        """Return which comparison is of interest without being asked for."""
        rows = self.rows
        if not rows:
            return None
        newest = run_rows(self.store, benchmark_id=rows[0].head.id, limit=PAGE_ROWS)
        return usual_sides([row.head for row in rows[:2]], newest)

    def compared(self, a: str, b: str, what: What, *, mix: bool) -> Compared:
        """Compare two sides."""
        heads = [row.head for row in reversed(self.rows)]
        # Only what the sides can mean is read: of 100,000 runs, all of them would take seconds.
        rows = run_rows(self.store, keys=self.keys, benchmark_ids=named_benchmarks((a, b), heads), oldest_first=True)
        return compared(a, b, what, heads, rows, mix=mix)

    def comparison(self, view: Compared | None, links: Links) -> str:
        """Return the page of a comparison; None: there is nothing to compare."""
        return self._page("compare.html.j2", links, "compare", view=view, gates=[what.value for what in What])
