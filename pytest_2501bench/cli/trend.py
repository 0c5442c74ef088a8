"""``2501bench trend``: how rates went from benchmark to benchmark, and which scenarios got worse."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.cli.sync import BenchDir

if TYPE_CHECKING:
    from pytest_2501bench.analysis.trend import Line, Point

_BAR = "▁▂▃▄▅▆▇█"


def trend(
    *,
    side: Annotated[
        str | None,
        typer.Option("-s", "--select", metavar="SIDE", help="Only these runs, as in compare: tag=nginx,mode=incus."),
    ] = None,
    gate: Annotated[What, typer.Option("--gate", help="Which verdict is counted.")] = What.BOTH,
    last: Annotated[int, typer.Option("--last", min=1, metavar="N", help="Show at most N benchmarks of a line.")] = 10,
    fail_if_regressed: Annotated[
        bool,
        typer.Option("--fail-if-regressed", help="Exit status 1 if a scenario's newest runs are shown to be worse."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of lines.")] = False,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Show rates over time, per scenario and agent. A change of scenario, rules, template or mode breaks the line.

    The newest benchmark is judged against all earlier ones of its line: regressed or improved when an exact test shows
    it, flaky when runs differ and nothing is shown.
    """
    from pytest_2501bench.analysis.sides import choose
    from pytest_2501bench.analysis.trend import Course
    from pytest_2501bench.analysis.trend import trend as lines_of
    from pytest_2501bench.store.aggregate import light_reports
    from pytest_2501bench.store.repository import Store

    with Store.open(os.environ.get("DATABASE_URL") or None, bench_dir) as store:
        benchmarks, reports = store.benchmarks(), light_reports(store)
    lines = lines_of(reports if side is None else choose(side, benchmarks, reports), gate)
    if as_json:
        typer.echo(json.dumps([_json(line) for line in lines], indent=2, ensure_ascii=False))
    else:
        for line in lines:
            _show(line, last)
        if not lines:
            typer.echo("no runs are stored.")
    regressed = [line for line in lines if line.course is Course.REGRESSED]
    if regressed and not as_json:
        typer.echo(f"regressed: {', '.join(dict.fromkeys(line.key for line in regressed))}")
    if regressed and fail_if_regressed:
        raise typer.Exit(1)


def _json(line: Line) -> dict[str, object]:
    return {
        "key": line.key,
        "subject": line.subject,
        "course": line.course.value,
        "segments": [
            {
                "changed": segment.changed,
                "points": [{**asdict(point), "rate": point.rate, "interval": _ends(point)} for point in segment.points],
            }
            for segment in line.segments
        ],
    }


def _ends(point: Point) -> list[float] | None:
    return None if point.interval is None else [point.interval.low, point.interval.high]


def _show(line: Line, last: int) -> None:
    who = f" ({line.subject})" if line.subject else ""
    typer.echo(f"{line.key}{who}: {line.course}")
    rows = [
        (segment.changed if number == 0 else (), point)
        for segment in line.segments
        for number, point in enumerate(segment.points)
    ]
    if len(rows) > last:
        typer.echo(f"  … {len(rows) - last} earlier")
    for changed, point in rows[-last:]:
        if changed:
            typer.echo(f"  ── {', '.join(changed)} changed: not comparable with the above")
        typer.echo(f"  {_row(point)}")
    typer.echo("")


def _row(point: Point) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(point.started_at))
    lost = f", {point.counts.lost} lost" if point.counts.lost else ""
    if point.rate is None or point.interval is None:
        return f"{when}  {point.benchmark_id}    –      nothing scored{lost}"
    bar = _BAR[round(point.rate * (len(_BAR) - 1))]
    low, high = 100 * point.interval.low, 100 * point.interval.high
    counted = f"{point.counts.passed} of {point.counts.scored}{lost}"
    return f"{when}  {point.benchmark_id}  {bar} {point.rate:4.0%}  {counted}; true rate {low:.0f} to {high:.0f} %"
