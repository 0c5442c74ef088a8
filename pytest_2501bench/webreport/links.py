"""Where a page's links lead: to files of a folder, to paths of a server, or to places in one and the same file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

PAGE_ROWS = 500
"""Runs on one page of a benchmark."""


def scenario_file(key: str) -> str:
    """Return the name of a scenario's page; keys have slashes, and no plus signs."""
    return f"{key.replace('/', '+')}.html"


def benchmark_file(benchmark_id: str, number: int = 1) -> str:
    """Return the name of page *number* of a benchmark's runs."""
    return f"{benchmark_id}.html" if number == 1 else f"{benchmark_id}-{number}.html"


@dataclass(frozen=True)
class Links:
    """Links of pages in a folder or on a server.

    Attributes:
        up: from the page to the root: ``""`` or ``"../"``.
        runs: those that have a page; None: all.
        benchmarks: likewise.
        comparisons: there is a page of them.
    """

    up: str = ""
    runs: Collection[str] | None = None
    benchmarks: Collection[str] | None = None
    comparisons: bool = True

    @property
    def index(self) -> str:
        """The overview."""
        return f"{self.up}index.html"

    @property
    def benchmark_list(self) -> str:
        """All benchmarks."""
        return f"{self.up}benchmarks.html"

    @property
    def compare(self) -> str:
        """The comparison; empty without one."""
        return f"{self.up}compare.html" if self.comparisons else ""

    def scenario(self, key: str) -> str:
        """Return the link to a scenario."""
        return f"{self.up}scenarios/{quote(scenario_file(key))}"

    def benchmark(self, benchmark_id: str, number: int = 1) -> str:
        """Return the link to a benchmark; empty without a page."""
        if self.benchmarks is not None and benchmark_id not in self.benchmarks:
            return ""
        return f"{self.up}benchmarks/{quote(benchmark_file(benchmark_id, number))}"

    def run(self, run_id: str) -> str:
        """Return the link to a run; empty without a page."""
        if self.runs is not None and run_id not in self.runs:
            return ""
        return f"{self.up}runs/{quote(run_id)}.html"


@dataclass(frozen=True)
class Anchors(Links):
    """Links within one file that has the runs of one benchmark."""

    @property
    def index(self) -> str:
        """The file's beginning."""
        return "#top"

    @property
    def benchmark_list(self) -> str:
        """Not there."""
        return ""

    @property
    def compare(self) -> str:
        """Not there."""
        return ""

    def scenario(self, key: str) -> str:
        """Not there."""
        return ""

    def benchmark(self, benchmark_id: str, number: int = 1) -> str:
        """Not there."""
        return ""

    def run(self, run_id: str) -> str:
        """Return the place of a run."""
        return f"#{quote(run_id)}" if self.runs is None or run_id in self.runs else ""
