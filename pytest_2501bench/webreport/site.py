"""Writes the report as a folder: index, benchmarks, scenarios, a comparison, and a page for each of the newest runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import EVIDENCE_FILE, not_written
from pytest_2501bench.store.aggregate import run_rows, whole_reports
from pytest_2501bench.webreport.links import Links, benchmark_file, scenario_file
from pytest_2501bench.webreport.records import Records

if TYPE_CHECKING:
    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.store.repository import Store

MOST_RUNS: Final = 500
_OURS: Final = 'name="generator" content="pytest-2501bench '
_HEAD: Final = 4_000  # bytes at a page's beginning, in which its generator stands


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it.

    Attributes:
        index: the page to open.
        pages: all pages, those included that were there and still right.
        kept: run pages that were there and still right.
        runs: runs with a page.
        runs_left_out: older ones without.
    """

    index: Path
    pages: int
    kept: int
    runs: int
    runs_left_out: int


@dataclass(frozen=True, slots=True)
class Question:
    """Which comparison is wanted; *sides* None: the usual one."""

    sides: tuple[str, str] | None = None
    what: What = What.BOTH
    mix: bool = False


def write_site(
    store: Store, bench_dir: Path, folder: Path, *, most_runs: int | None = MOST_RUNS, question: Question | None = None
) -> Written:
    """Write the report to *folder*; pages of runs that have not changed are kept as they are.

    Args:
        store: all of it is reported.
        bench_dir: where the evidence is.
        folder: made when needed.
        most_runs: how many of the newest runs, and of the newest that did not pass, have a page; None: all.
        question: what the comparison page compares.

    Raises:
        BenchError: ``option_invalid`` (the folder holds pages of others), ``evidence_not_written``, ``database_lost``.
    """
    index = folder / "index.html"
    _refuse_foreign(index)
    records = Records.read(store, bench_dir)
    newest = run_rows(store, limit=most_runs)
    # Whoever looks closer looks at what did not pass.
    red = () if most_runs is None else run_rows(store, passed=False, limit=most_runs)
    runs = tuple({run.run_id: run for run in (*newest, *red)}.values())
    shown, benchmarks = {run.run_id for run in runs}, _benchmarks(records, most_runs)
    top, below = Links("", shown, benchmarks), Links("../", shown, benchmarks)
    pages: dict[str, str] = {"benchmarks.html": records.benchmark_list(top)}
    _write(folder, pages)
    count, kept = len(pages) + 2, 0
    for key in records.keys_of_scenarios():
        count += _write(folder, {f"scenarios/{scenario_file(key)}": records.scenario(key, below) or ""})
    for benchmark_id in benchmarks:
        for number in range(1, records.pages_of(benchmark_id) + 1):
            text = records.benchmark(benchmark_id, below, number) or ""
            count += _write(folder, {f"benchmarks/{benchmark_file(benchmark_id, number)}": text})
    for report in whole_reports(store, [run.run_id for run in runs]):
        kept += _run(records, report, below, folder)
    asked = question or Question()
    sides = asked.sides or records.usual_sides()
    told = None if sides is None else records.compared(*sides, asked.what, mix=asked.mix)
    _write(folder, {"compare.html": records.comparison(told, top)})
    _write(folder, {"index.html": records.overview(top)})  # last: what it links to is there
    all_runs = sum(group.runs for group in records.groups)
    return Written(index, count + len(runs), kept, len(runs), all_runs - len(runs))


def _benchmarks(records: Records, most_runs: int | None) -> dict[str, None]:
    """Return the newest benchmarks that *most_runs* fill, at least one; in their order."""
    found: dict[str, None] = {}
    left = most_runs
    for row in records.rows:
        if left is not None and left <= 0:
            break
        found[row.head.id] = None
        left = None if left is None else left - row.runs
    return found


def _run(records: Records, report: ScenarioReport, links: Links, folder: Path) -> bool:
    """Write a run's page, unless there is one of the same; return whether there was."""
    name = f"runs/{report.run_id}.html"
    try:
        changed = (records.bench_dir / report.evidence / EVIDENCE_FILE).stat().st_mtime_ns if report.evidence else 0
    except OSError:
        changed = 0
    has_benchmark = bool(links.benchmark(report.benchmark_id))
    given = f"{_version()} {changed} {has_benchmark} {report.model_dump_json()}"
    stamp = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    try:
        with (folder / name).open("rb") as file:
            if f' {stamp}"'.encode() in file.read(_HEAD):
                return True
    except OSError:
        pass
    _write(folder, {name: records.run(report, links, stamp)})
    return False


@cache
def _version() -> str:
    """Return a digest of our own templates and scripts: when they change, pages are made anew."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(path for path in here.rglob("*") if path.suffix in (".j2", ".css", ".js", ".py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _refuse_foreign(index: Path) -> None:
    try:
        with index.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        return
    except OSError as error:
        raise not_written(index, error) from error
    if _OURS.encode() not in head:
        raise BenchError(
            Cause.OPTION_INVALID,
            f"-o {index.parent}: the index.html there is not a report of ours.",
            remedy="Choose another folder, or remove it.",
        )


def _write(folder: Path, pages: dict[str, str]) -> int:
    for name, text in pages.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "replace"))
        except OSError as error:
            raise not_written(path, error) from error
    return len(pages)
