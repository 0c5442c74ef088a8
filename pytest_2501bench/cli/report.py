"""``2501bench report``: all results as html pages in a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.cli.sync import BenchDir


def report(
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Where. Default: report/ in the bench directory."),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    runs: Annotated[
        int,
        typer.Option(
            "--runs",
            min=0,
            metavar="N",
            help="How many of the newest runs, and of the newest that did not pass, have a page.",
        ),
    ] = 500,
    all_runs: Annotated[bool, typer.Option("--all-runs", help="All runs have one.")] = False,
    sides: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare",
            metavar="A B",
            help="What the comparison page compares, as the verb compare. Default: the last two.",
        ),
    ] = None,
    gate: Annotated[What, typer.Option("--gate", help="Which verdict is compared.")] = What.BOTH,
    mix: Annotated[bool, typer.Option("--mix", help="Compare although scenarios, rules or templates differ.")] = False,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Write a report for people: overview, scenarios by agent, benchmarks, runs, a comparison.

    The pages need neither network nor server. Pages of runs that have not changed are kept, so a second time is quick.
    """
    from pytest_2501bench.store.repository import Store
    from pytest_2501bench.webreport.site import Question, write_site

    if not bench_dir.is_dir() and not os.environ.get("DATABASE_URL"):
        raise typer.BadParameter(f"{bench_dir}: no such folder.", param_hint="--bench-dir")
    folder = output if output is not None else bench_dir / "report"
    with Store.open(os.environ.get("DATABASE_URL") or None, bench_dir) as store:
        most = None if all_runs else runs
        written = write_site(store, bench_dir, folder, most_runs=most, question=Question(sides, gate, mix))
    rest = f", {written.runs_left_out} older ones have none (--all-runs)" if written.runs_left_out else ""
    typer.echo(f"{written.index}: {written.pages} pages; {written.runs} runs have one of their own{rest}.")
    if show:
        typer.launch(written.index.absolute().as_uri())
