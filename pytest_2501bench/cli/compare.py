"""``2501bench compare``: is B better than A, paired by scenario."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.analysis.outcomes import Spent, What
from pytest_2501bench.cli.sync import BenchDir

if TYPE_CHECKING:
    from rich.table import Table

    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.statistics.comparison import Comparison


@dataclass(frozen=True, slots=True)
class _Found:
    a: str
    b: str
    gate: What
    told: Comparison
    sums: tuple[Spent, Spent]
    sentence: str
    mixed: tuple[str, ...]


_SIDE = "Benchmark (last, last~1, bmk_…) or conditions (main-engine=a,mode=incus)."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same, for the other side.")],
    *,
    gate: Annotated[What, typer.Option("--gate", help="Which verdict is compared.")] = What.BOTH,
    mix: Annotated[
        bool, typer.Option("--mix", help="Compare although scenarios, rules or templates differ; it says which.")
    ] = False,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit status 1 if B is shown to be worse.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Compare two sides over the scenarios that both have runs of, and say what may be concluded.

    Exact McNemar test over pairs of runs, a bootstrap interval of the difference, Fisher's exact test per scenario with
    Holm's correction. Needs the extra 'stats'.
    """
    from pytest_2501bench.analysis.instrument import mixtures
    from pytest_2501bench.analysis.outcomes import outcomes, spent
    from pytest_2501bench.errors import BenchError, Cause

    comparison = _statistics()
    side_a, side_b = _sides(bench_dir, a, b)
    mixed = mixtures(side_a, side_b)
    if mixed and not mix:
        raise BenchError(
            Cause.OPTION_INVALID,
            f"not measured with the same instrument: {'; '.join(mixed[:5])}{' …' if len(mixed) > 5 else ''}.",
            remedy="Narrow the sides, or say --mix.",
        )
    try:
        told = comparison.compare(outcomes(side_a, gate), outcomes(side_b, gate))
    except ValueError as exc:
        raise BenchError(Cause.OPTION_INVALID, f"'{a}' and '{b}': {exc}.") from None
    sums = spent(side_a, gate), spent(side_b, gate)
    found = _Found(a, b, gate, told, sums, comparison.sentence(told, a, b), tuple(mixed))
    if as_json:
        typer.echo(_json(found))
    else:
        _show(found)
    if fail_if_worse and told.answer is comparison.Answer.WORSE:
        raise typer.Exit(1)


def _statistics() -> ModuleType:
    from pytest_2501bench.errors import BenchError, Cause

    try:
        from pytest_2501bench.statistics import comparison
    except ImportError as exc:
        raise BenchError(
            Cause.OPTION_INVALID, f"compare needs {exc.name}.", remedy="pip install 'pytest-2501bench[stats]'"
        ) from None
    return comparison


def _sides(bench_dir: Path, a: str, b: str) -> tuple[tuple[ScenarioReport, ...], tuple[ScenarioReport, ...]]:
    from pytest_2501bench.analysis.sides import choose
    from pytest_2501bench.store.aggregate import light_reports
    from pytest_2501bench.store.repository import Store

    with Store.open(os.environ.get("DATABASE_URL") or None, bench_dir) as store:
        benchmarks, reports = store.benchmarks(), light_reports(store)
    return choose(a, benchmarks, reports), choose(b, benchmarks, reports)


def _json(found: _Found) -> str:
    told = found.told
    answer = {
        "a": found.a,
        "b": found.b,
        "gate": found.gate.value,
        "answer": told.answer.value,
        "sentence": found.sentence,
        "difference": told.difference,
        "runs_needed": told.runs_needed,
        **asdict(told),
        "spent": {"a": asdict(found.sums[0]), "b": asdict(found.sums[1])},
        "mixed": found.mixed,
        "scenarios": [{**asdict(each), "answer": each.answer.value} for each in told.scenarios],
    }
    if answer["odds_ratio"] == float("inf"):  # JSON has none
        answer["odds_ratio"] = None
    return json.dumps(answer, indent=2, ensure_ascii=False)


def _show(found: _Found) -> None:
    from rich.console import Console

    told = found.told
    console = Console(highlight=False)
    console.print(f"A: {found.a}\nB: {found.b}\nverdict: {found.gate}\n", markup=False)
    console.print(_table(told))
    console.print(_sums(found.sums))
    console.print(
        f"pairs of runs: {told.pairs}; only A passed {told.only_a_passed}, only B passed {told.only_b_passed}; "
        f"effect size h = {told.cohen_h:+.2f}",
        markup=False,
    )
    for side, keys in (("A", told.only_a), ("B", told.only_b)):
        if keys:
            console.print(f"only {side} has runs of: {', '.join(keys)}; not compared", markup=False)
    for line in found.mixed:
        console.print(f"mixed: {line}", markup=False)
    console.print(f"\n{found.sentence}", markup=False)


def _table(told: Comparison) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("scenario", overflow="fold")
    for heading in ("A", "runs", "B", "runs", "difference", "p (Holm)"):
        table.add_column(heading, justify="right")
    table.add_column("B is")
    for each in told.scenarios:
        difference = f"{100 * (each.rate_b - each.rate_a):+.0f}"
        figures = (f"{each.rate_a:.0%}", str(each.runs_a), f"{each.rate_b:.0%}", str(each.runs_b), difference)
        table.add_row(each.key, *figures, f"{each.p_holm:.2g}", each.answer.value)
    return table


def _sums(sums: tuple[Spent, Spent]) -> Table:
    from rich import box
    from rich.table import Table

    from pytest_2501bench.report.figures import cost, seconds, tokens

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for heading in ("runs", "lost", "median time", "tokens per run", "cost per run"):
        table.add_column(heading, justify="right")
    for name, each in zip("AB", sums, strict=True):
        used = None if each.tokens is None else round(each.tokens)
        time = "-" if each.seconds is None else seconds(each.seconds)
        table.add_row(name, str(each.runs), str(each.lost), time, tokens(used), cost(each.cost_usd))
    return table
