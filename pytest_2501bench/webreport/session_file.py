"""Writes one benchmark as one html file: ``--bench-report=FILE`` at the end of a session."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_2501bench.evidence.folder import not_written
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.store.aggregate import groups, run_rows, scenario_tags, version_keys, whole_reports
from pytest_2501bench.webreport.grid import make_grid
from pytest_2501bench.webreport.links import Anchors
from pytest_2501bench.webreport.overview import benchmark_rows, charts
from pytest_2501bench.webreport.page import render
from pytest_2501bench.webreport.recordings import MOST_BYTES
from pytest_2501bench.webreport.run_page import RunView, run_view
from pytest_2501bench.webreport.slices import slices

if TYPE_CHECKING:
    from pytest_2501bench.report.model import Benchmark
    from pytest_2501bench.store.repository import Store

MOST_IN_FULL: Final = 200
"""Runs; those that did not pass come first."""
MOST_REPLAYED: Final = 12 * MOST_BYTES
"""Bytes of all recordings in the file."""


def write_session_file(store: Store, bench_dir: Path, benchmark: Benchmark, file: Path) -> None:
    """Write *benchmark*, whose runs are in *store*, to *file*: whole or not at all.

    Raises:
        BenchError: ``evidence_not_written`` or ``database_lost``.
    """
    text = session_page(store, bench_dir, benchmark)
    temporary = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(text.encode("utf-8", "replace"))
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise not_written(file, error) from error


def session_page(store: Store, bench_dir: Path, benchmark: Benchmark) -> str:
    """Return the page. Raises ``database_lost``."""
    keys, everything = version_keys(store), groups(store)
    own = [group for group in everything if group.benchmark_id == benchmark.id]
    scenarios, subjects = {group.key for group in own}, {group.subject for group in own}
    alike = [group for group in everything if group.key in scenarios and group.subject in subjects]
    (row,) = benchmark_rows([benchmark], own) or (None,)
    rows = run_rows(store, benchmark_id=benchmark.id)
    views = _views(store, bench_dir, [run.run_id for run in sorted(rows, key=lambda run: run.status is Status.PASSED)])
    shown = {view.report.run_id for view in views}
    return render(
        "session.html.j2",
        replay=any(replay.cast for view in views for replay in view.replays),
        links=Anchors(runs=shown),
        place="session",
        made=time.time(),
        row=row,
        grid=make_grid(own, keys),
        slices=slices(own, scenario_tags(store)),
        charts=charts(alike, keys) if len({group.benchmark_id for group in alike}) > 1 else (),
        rows=rows,
        views=views,
        left_out=len(rows) - len(views),
    )


def _views(store: Store, bench_dir: Path, run_ids: list[str]) -> list[RunView]:
    views: list[RunView] = []
    left = MOST_REPLAYED
    for report in whole_reports(store, run_ids[:MOST_IN_FULL]):
        views.append(run_view(report, bench_dir, replay_budget=min(left, 4 * MOST_BYTES)))
        left -= views[-1].size
    return views
