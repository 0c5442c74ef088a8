"""``2501bench sync``: bring runs that a crash left on disk into the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

BenchDir = Annotated[
    Path, typer.Option("--bench-dir", envvar="BENCH_DIR", help="Where evidence is kept.", show_default=True)
]


def sync(bench_dir: BenchDir = Path(".2501bench")) -> None:
    """Import runs that are on disk and not in the database (DATABASE_URL, else results.db). Harmless when repeated."""
    from pytest_2501bench.store.repository import Store
    from pytest_2501bench.store.sync import sync as run_sync

    if not bench_dir.is_dir():
        raise typer.BadParameter(f"{bench_dir}: no such folder.", param_hint="--bench-dir")
    with Store.open(os.environ.get("DATABASE_URL") or None, bench_dir) as store:
        result = run_sync(bench_dir, store)
        typer.echo(f"{store.target.shown}: {len(result.imported)} imported, {result.already} were there.")
    for name in result.incomplete:
        typer.echo(f"cut off, recorded as not scored: {name}")
    for name in result.running:
        typer.echo(f"left alone, its session still runs: {name}")
    for problem in result.problems:
        typer.echo(problem, err=True)
    if result.problems:
        raise typer.Exit(1)
