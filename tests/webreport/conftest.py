"""Two sets of results, made once: an ordinary one, and one in which everybody wrote hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.showcase import HOSTILE, fill

from pytest_2501bench.store.repository import Store
from pytest_2501bench.webreport.session_file import write_session_file
from pytest_2501bench.webreport.site import write_site


@dataclass(frozen=True)
class Shown:
    """Results with their report."""

    store: Store
    bench_dir: Path

    @property
    def site(self) -> Path:
        return self.bench_dir / "report"

    @property
    def one_file(self) -> Path:
        return self.bench_dir / "one.html"


def _made(folder: Path, *, days: int, iterations: int, hostile: str) -> Iterator[Shown]:
    with Store.open(None, folder) as store:
        fill(store, folder, days=days, iterations=iterations, hostile=hostile)
        shown = Shown(store, folder)
        write_site(store, folder, shown.site, most_runs=40)
        write_session_file(store, folder, store.benchmarks()[-1], shown.one_file)
        yield shown


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Twelve benchmarks of four scenarios with two engines."""
    yield from _made(tmp_path_factory.mktemp("shown"), days=12, iterations=1, hostile="")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """The same, smaller, with text that wants to run in the reader's browser."""
    yield from _made(tmp_path_factory.mktemp("hostile"), days=2, iterations=1, hostile=HOSTILE)
