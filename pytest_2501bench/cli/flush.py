"""``2501bench flush``: remove stored runs, rows and evidence together."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.program import FOUND
from pytest_2501bench.cli.selection import BenchmarkWords, Scenarios, Statuses, at, open_results
from pytest_2501bench.cli.sync import BenchDir

if TYPE_CHECKING:
    from pytest_2501bench.store.flush_plan import FlushPlan
    from pytest_2501bench.store.repository import Store
    from pytest_2501bench.store.selection import Selection

_SHOWN = 10
"""Runs that stay are named up to here; the others are counted."""


def flush(
    words: BenchmarkWords = None,
    *,
    scenarios: Scenarios = None,
    statuses: Statuses = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Only runs that ended before: 90d, 12w, 2026-11-24 (UTC)."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All runs; needed when nothing else is asked for.")] = False,
    missing_files: Annotated[
        bool,
        typer.Option("--missing-files", help="Also runs whose evidence is not in the bench directory (any more)."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without it nothing is removed, only shown.")] = False,
    shrink: Annotated[
        bool, typer.Option("--vacuum", help="With --yes and SQLite: give the free space in the file back, too.")
    ] = False,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Show what would go, and with --yes remove it: runs with their rules, phases and evidence, and emptied benchmarks.

    Runs stay that an audit protects, whose session still goes on, whose hosts are kept, or whose evidence is elsewhere.
    Exit status 1 if with --yes a run that was asked for stays.
    """
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.store.flush_journal import alone
    from pytest_2501bench.store.selection import Selection, resolved

    wanted = Selection(
        benchmarks=tuple(words or ()),
        scenarios=tuple(scenarios or ()),
        statuses=tuple(status.value for status in statuses or ()),
        before=at(older_than, "--older-than"),
    )
    if wanted == Selection() and not everything:
        raise BenchError(
            Cause.OPTION_INVALID,
            "which runs?",
            remedy="Name a benchmark, --scenario, --status or --older-than; --all means all runs.",
        )
    with open_results(bench_dir) as store:
        if not bench_dir.is_dir():
            raise BenchError(
                Cause.OPTION_INVALID,
                f"--bench-dir {bench_dir}: no such folder, so the evidence is not here.",
                remedy="Flush where the runs were made.",
            )
        with alone(bench_dir):
            _finish(store, bench_dir, yes=yes)
            # Only now: what a flush that was cut off had to remove may be what is named.
            left = _flush(store, bench_dir, resolved(store, wanted), missing_files=missing_files, yes=yes)
        if yes:
            _space(store, shrink=shrink)
    if yes and left:
        raise typer.Exit(FOUND)


def _finish(store: Store, bench_dir: Path, *, yes: bool) -> None:
    from pytest_2501bench.store.flush import finish, unfinished

    journal = unfinished(store, bench_dir)
    if journal is None:
        return
    rest = f"{_count(len(journal.runs), 'run')}, {_count(len(journal.benchmarks), 'benchmark')}"
    if not yes:
        typer.echo(f"an earlier flush was cut off; with --yes the rest of it goes first ({rest}).")
        return
    finish(store, bench_dir, journal)
    typer.echo(f"an earlier flush was cut off; the rest of it is gone now ({rest}).")


def _flush(store: Store, bench_dir: Path, selection: Selection, *, missing_files: bool, yes: bool) -> bool:
    """Show the plan, and with *yes* carry it out; return whether runs stay that were meant."""
    from pytest_2501bench.keeping import Book
    from pytest_2501bench.store.flush import carry_out
    from pytest_2501bench.store.flush_plan import plan_flush

    kept = [entry.name for entry in Book(bench_dir).entries()]
    plan = plan_flush(store, bench_dir, selection, kept=kept, missing_files=missing_files)
    _show(plan, store, bench_dir, yes=yes)
    if not plan.runs and not plan.benchmarks:
        typer.echo("nothing to flush.")
        return bool(plan.refused)
    if not yes:
        typer.echo("nothing was removed; the same with --yes does it.")
        return bool(plan.refused)
    gone = carry_out(store, bench_dir, plan)
    typer.echo(f"gone: {_count(gone, 'run')}, {_count(len(plan.benchmarks), 'benchmark')}.")
    return bool(plan.refused) or gone < len(plan.runs)


def _show(plan: FlushPlan, store: Store, bench_dir: Path, *, yes: bool) -> None:
    if plan.first is not None and plan.last is not None:
        days = [time.strftime("%Y-%m-%d", time.gmtime(when)) for when in (plan.first, plan.last)]
        typer.echo(f"{'going' if yes else 'would go'}: {_count(len(plan.runs), 'run')} of {days[0]} to {days[1]} (UTC)")
    if plan.runs or plan.benchmarks:
        counts = (len(plan.runs), plan.rules, plan.phases, len(plan.benchmarks))
        rows = ", ".join(map(_count, counts, ("run", "rule", "phase", "benchmark")))
        typer.echo(f"  rows   {rows} in {store.target.shown}")
        typer.echo(f"  files  {plan.files}, {_bytes(plan.bytes)} in {bench_dir}")
    if not plan.refused:
        return
    typer.echo(f"{'stay' if yes else 'would stay'}: {_count(len(plan.refused), 'run')}")
    for refused in plan.refused[:_SHOWN]:
        typer.echo(f"  {refused.run_id} {refused.name}: {refused.why}")
    for why, count in Counter(each.why for each in plan.refused[_SHOWN:]).items():
        typer.echo(f"  … and {count} more: {why}")


def _space(store: Store, *, shrink: bool) -> None:
    from pytest_2501bench.store.flush import reclaimable, vacuum

    free = reclaimable(store)
    if not free:
        return
    if shrink:
        vacuum(store)
        typer.echo(f"{store.target.shown}: {_bytes(free)} given back.")
    else:
        typer.echo(f"{store.target.shown} keeps {_bytes(free)} for new rows; --vacuum gives them back.")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
