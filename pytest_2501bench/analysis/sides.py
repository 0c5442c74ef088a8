"""Which stored runs a user means by ``last``, ``bmk_7kq2mv9x4tzn`` or ``main-engine=a,mode=incus``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from pytest_2501bench.errors import BenchError, Cause

if TYPE_CHECKING:
    from pytest_2501bench.report.model import Benchmark, ScenarioReport

FIELDS: Final = ("agent", "main-engine", "secondary-engine", "specialty", "mode", "gateway", "commit", "tag", "key")
"""What a side can be chosen by, besides a benchmark."""

GRAMMAR: Final = (
    "A side is a benchmark (last, last~1, bmk_…, or the beginning of its id), conditions "
    f"({', '.join(f'{name}=…' for name in FIELDS)}), or both, separated by commas."
)


def check_spec(spec: str) -> None:
    """Raise ValueError unless *spec* is one; whether there are such runs is not asked."""
    for word in (part.strip() for part in spec.split(",")):
        name, equals, _ = word.partition("=")
        try:
            if equals:
                _check_name(spec, name)
            elif not word:
                raise _wrong(spec, "names nothing")
            elif word.startswith("last~") and not word[5:].isdigit():
                raise _wrong(spec, f"'{word[5:]}' is no number of benchmarks to go back")
        except BenchError as error:
            raise ValueError(error.message.partition(": ")[2].removesuffix(".")) from None


def choose(spec: str, benchmarks: Sequence[Benchmark], reports: Iterable[ScenarioReport]) -> tuple[ScenarioReport, ...]:
    """Return the runs that *spec* means, in their order.

    Args:
        spec: see :data:`GRAMMAR`. Several benchmarks are joined, conditions must all hold.
        benchmarks: all there are, oldest first.
        reports: of those benchmarks.

    Raises:
        BenchError: ``option_invalid``: it cannot be understood, or means no run.
    """
    wanted: set[str] = set()
    conditions: list[Callable[[ScenarioReport], bool]] = []
    for word in (part.strip() for part in spec.split(",")):
        name, equals, value = word.partition("=")
        if equals:
            conditions.append(_condition(spec, name, value, benchmarks))
        else:
            wanted.add(_benchmark(spec, word, benchmarks).id)
    found = tuple(
        report
        for report in reports
        if (not wanted or report.benchmark_id in wanted) and all(holds(report) for holds in conditions)
    )
    if not found:
        raise _wrong(spec, "no stored run is meant by it")
    return found


def _wrong(spec: str, what: str) -> BenchError:
    return BenchError(Cause.OPTION_INVALID, f"'{spec}': {what}. {GRAMMAR}")


def _benchmark(spec: str, word: str, benchmarks: Sequence[Benchmark]) -> Benchmark:
    if word == "last" or word.startswith("last~"):
        back = word[5:] or "0"
        if not back.isdigit():
            raise _wrong(spec, f"'{back}' is no number of benchmarks to go back")
        if int(back) >= len(benchmarks):
            raise _wrong(spec, f"there are only {len(benchmarks)} benchmarks")
        return benchmarks[-1 - int(back)]
    found = [each for each in benchmarks if word and each.id.startswith(word)]
    if len(found) != 1:
        many = f"{len(found)} benchmarks begin with '{word}'" if found else f"there is no benchmark '{word}'"
        raise _wrong(spec, many)
    return found[0]


def _check_name(spec: str, name: str) -> None:
    if name not in FIELDS:
        near = difflib.get_close_matches(name.replace("_", "-"), FIELDS, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise _wrong(spec, f"'{name}' is nothing to choose by{hint}")


def _condition(spec: str, name: str, value: str, benchmarks: Sequence[Benchmark]) -> Callable[[ScenarioReport], bool]:
    _check_name(spec, name)
    if name == "tag":
        return lambda report: value in report.tags
    if name == "commit":
        ids = {each.id for each in benchmarks if value and str(each.git.get("commit", "")).startswith(value)}
        return lambda report: report.benchmark_id in ids
    attribute = name.replace("-", "_")
    return lambda report: getattr(report, attribute) == value
