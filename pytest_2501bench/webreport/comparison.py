"""What the comparison page shows: the figures of ``2501bench compare``, from runs without their documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from pytest_2501bench.analysis.instrument import mixtures
from pytest_2501bench.analysis.outcomes import Spent, What, outcomes, spent
from pytest_2501bench.analysis.sides import choose
from pytest_2501bench.errors import BenchError

if TYPE_CHECKING:
    from pytest_2501bench.report.model import Benchmark, ScenarioReport
    from pytest_2501bench.statistics.comparison import Comparison
    from pytest_2501bench.store.aggregate import RunRow


@dataclass(frozen=True, slots=True)
class Compared:
    """Two sides at one gate.

    Attributes:
        a: as the user named it.
        b: likewise.
        what: the verdict that is compared.
        mix: compare although versions differ.
        problem: why there is no comparison; empty when there is one.
        told: its figures.
        sentence: the same in words.
        sums: what each side took.
        mixed: in what the sides differ besides who was measured.
    """

    a: str
    b: str
    what: What
    mix: bool = False
    problem: str = ""
    told: Comparison | None = None
    sentence: str = ""
    sums: tuple[Spent, Spent] | None = None
    mixed: tuple[str, ...] = ()


def compared(
    a: str, b: str, what: What, benchmarks: Sequence[Benchmark], rows: Iterable[RunRow], *, mix: bool = False
) -> Compared:
    """Compare the sides *a* and *b* (see ``analysis.sides``) of *rows*, which are in the order of time."""
    # A row has by the same names what is asked of a report here.
    runs = cast("tuple[ScenarioReport, ...]", tuple(rows))
    try:
        side_a, side_b = choose(a, benchmarks, runs), choose(b, benchmarks, runs)
    except BenchError as exc:
        return Compared(a, b, what, mix, problem=exc.message)
    mixed = tuple(mixtures(side_a, side_b))
    if mixed and not mix:
        return Compared(a, b, what, mix, problem="They were not measured with the same instrument.", mixed=mixed)
    try:
        from pytest_2501bench.statistics import comparison
    except ImportError as exc:
        return Compared(a, b, what, mix, problem=f"This needs {exc.name}: pip install 'pytest-2501bench[stats]'")
    try:
        told = comparison.compare(outcomes(side_a, what), outcomes(side_b, what))
    except ValueError as exc:
        return Compared(a, b, what, mix, problem=f"{str(exc)[:1].upper()}{str(exc)[1:]}.", mixed=mixed)
    return Compared(
        a,
        b,
        what,
        mix,
        told=told,
        sentence=comparison.sentence(told, a, b),
        sums=(spent(side_a, what), spent(side_b, what)),
        mixed=mixed,
    )


def named_benchmarks(sides: Sequence[str], benchmarks: Sequence[Benchmark]) -> set[str] | None:
    """Return the ids of all benchmarks that *sides* name; None when one of them may mean any run."""
    # Of a run only its benchmark is asked, as long as no condition is left.
    runs = cast("tuple[ScenarioReport, ...]", tuple(SimpleNamespace(benchmark_id=each.id) for each in benchmarks))
    found: set[str] = set()
    for side in sides:
        words = [word for word in side.split(",") if "=" not in word]
        if not words:
            return None
        try:
            found.update(run.benchmark_id for run in choose(",".join(words), benchmarks, runs))
        except BenchError:  # told when the side itself is chosen
            return None
    return found


def usual_sides(newest: Sequence[Benchmark], rows_of_newest: Sequence[RunRow]) -> tuple[str, str] | None:
    """Return what is worth comparing without being asked: engines of the newest benchmark, else it with the former.

    Args:
        newest: benchmarks with runs, newest first.
        rows_of_newest: runs of the newest one.
    """
    engines = list(dict.fromkeys(row.main_engine for row in reversed(rows_of_newest) if row.main_engine))
    if len(engines) > 1:
        return f"{newest[0].id},main-engine={engines[0]}", f"{newest[0].id},main-engine={engines[1]}"
    return (newest[1].id, newest[0].id) if len(newest) > 1 else None
