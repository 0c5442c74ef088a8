"""``2501bench export``: stored results for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pytest_2501bench.cli.selection import BenchmarkWords, Scenarios, Statuses, at, open_results
from pytest_2501bench.cli.sync import BenchDir
from pytest_2501bench.tables.formats import STDOUT, Format, Table, format_of, suffixes


def export(
    words: BenchmarkWords = None,
    *,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Where to; replaced if it is there. - is stdout.")
    ],
    form: Annotated[
        Format | None, typer.Option("--format", help="Default: by the ending (.jsonl .csv .parquet .xml metrics.txt).")
    ] = None,
    table: Annotated[
        Table, typer.Option("--table", help="Which rows; junit, openmetrics and github are of runs.")
    ] = Table.RUNS,
    scenarios: Scenarios = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Only scenarios with this tag; may be repeated.")
    ] = None,
    engines: Annotated[
        list[str] | None,
        typer.Option("--engine", metavar="NAME", help="Only this main or secondary engine; may be repeated."),
    ] = None,
    statuses: Statuses = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="Only runs that began then or later: 7d, 2026-11-24 (UTC)."),
    ] = None,
    unguarded: Annotated[
        bool,
        typer.Option("--unguarded", help="CSV: leave texts as they are that a spreadsheet takes for formulas."),
    ] = False,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Write stored results to a file: JSON lines, CSV, Parquet, junit, OpenMetrics, or GitHub's annotations.

    Columns, types and units are the same in all formats and documented. Parquet needs the extra 'export'.
    """
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.store.selection import Selection, resolved
    from pytest_2501bench.tables.export import export as write
    from pytest_2501bench.tables.read import Reader

    chosen = form or format_of(output)
    if chosen is None:
        why = "stdout has no ending" if output == STDOUT else f"known endings are {suffixes()}"
        raise BenchError(Cause.OPTION_INVALID, f"-o {output}: which format? {why}.", remedy="Say --format.")
    wanted = Selection(
        benchmarks=tuple(words or ()),
        scenarios=tuple(scenarios or ()),
        tags=tuple(tags or ()),
        engines=tuple(engines or ()),
        statuses=tuple(status.value for status in statuses or ()),
        since=at(since, "--since"),
    )
    with open_results(bench_dir) as store:
        reader = Reader(store, bench_dir, resolved(store, wanted))
        count = write(reader, output, chosen, table, guarded=not unguarded)
    what = str(table) if chosen in (Format.JSONL, Format.CSV, Format.PARQUET) else "runs"
    if output != STDOUT:
        typer.echo(f"{output}: {count} {what if count != 1 else what.removesuffix('s')}.")
    lacking = reader.without_evidence
    if lacking:
        run_id, why = next(iter(lacking.items()))
        typer.echo(f"without the commands of {len(lacking)} runs, as {run_id}: {why}", err=True)
