"""Which stored runs are meant: by benchmark, scenario, tag, engine, specialty, verdict and time."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.store.connect import in_use, transaction
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.schema import benchmarks, scenario_reports

_T: Final = scenario_reports.c


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that all must hold; several values of one are alternatives, and none means any.

    Attributes:
        benchmarks: ``last``, ``last~1``, an id or its beginning.
        scenarios: keys.
        tags: of scenarios.
        engines: main or secondary.
        specialties: as asked for.
        statuses: passed, failed, error.
        since: Unix seconds; runs that began then or later.
        before: Unix seconds; runs that ended before.
    """

    benchmarks: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    since: float | None = None
    before: float | None = None

    @property
    def of_runs(self) -> bool:
        """Whether anything but benchmark and time is asked for."""
        return bool(self.scenarios or self.tags or self.engines or self.specialties or self.statuses)

    def conditions(self, *, postgresql: bool) -> list[sa.ColumnElement[bool]]:
        """Return them for a query of ``scenario_reports``; benchmarks must be ids by now, see :func:`resolved`."""
        found: list[sa.ColumnElement[bool]] = []
        for column, values in (
            (_T.benchmark_id, self.benchmarks),
            (_T.key, self.scenarios),
            (_T.specialty, self.specialties),
            (_T.status, self.statuses),
        ):
            if values:
                found.append(column.in_(values))
        if self.engines:
            found.append(sa.or_(_T.main_engine.in_(self.engines), _T.secondary_engine.in_(self.engines)))
        if self.tags:
            found.append(sa.or_(*(_has_tag(tag, postgresql=postgresql) for tag in self.tags)))
        if self.since is not None:
            found.append(_T.started_at >= self.since)
        if self.before is not None:
            found.append(_T.finished_at < self.before)
        return found


def _has_tag(tag: str, *, postgresql: bool) -> sa.ColumnElement[bool]:
    if postgresql:
        return sa.cast(_T.tags, JSONB).contains([tag])
    word = sa.func.json_each(_T.tags).table_valued("value")
    return sa.exists(sa.select(sa.literal(1)).select_from(word).where(word.c.value == tag))


def resolved(store: Store, selection: Selection) -> Selection:
    """Return *selection* with ids of benchmarks, after looking whether everything that it names is there.

    Raises:
        BenchError: ``option_invalid``: a benchmark, scenario, tag, engine or specialty that no stored run has;
            ``database_lost``.
    """
    with in_use(store.target), transaction(store.engine) as connection:
        selection = replace(selection, benchmarks=_benchmark_ids(connection, selection.benchmarks))
        for name, word, values, column in (
            ("scenarios", "scenario", selection.scenarios, _T.key),
            ("tags", "tag", selection.tags, None),
            ("engines", "engine", selection.engines, _T.main_engine),
            ("specialties", "specialty", selection.specialties, _T.specialty),
        ):
            for value in values:
                only: Any = {name: (value,)}
                alone = Selection(**only).conditions(postgresql=store.target.postgresql)
                if connection.scalar(sa.select(_T.run_id).where(*alone).limit(1)) is None:
                    raise _unknown(connection, word, value, column)
    return selection


def _unknown(connection: sa.Connection, word: str, value: str, column: sa.ColumnElement[Any] | None) -> BenchError:
    known = [] if column is None else [str(each) for each in connection.scalars(sa.select(column).distinct()) if each]
    near = difflib.get_close_matches(value, known, 1)
    hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(sorted(known)[:8])}." if known else ""
    return BenchError(Cause.OPTION_INVALID, f"no stored run has the {word} '{value}'.{hint}")


def _benchmark_ids(connection: sa.Connection, words: Sequence[str]) -> tuple[str, ...]:
    if not words:
        return ()
    query = sa.select(benchmarks.c.id).order_by(benchmarks.c.started_at, benchmarks.c.id)
    known = [str(each) for each in connection.scalars(query)]
    return tuple(dict.fromkeys(_benchmark_id(word, known, _wrong(word)) for word in words))


def _wrong(word: str) -> Callable[[str], BenchError]:
    right = "A benchmark is last, last~1, bmk_…, or the beginning of its id."
    return lambda what: BenchError(Cause.OPTION_INVALID, f"'{word}': {what}. {right}")


def _benchmark_id(word: str, known: Sequence[str], wrong: Callable[[str], BenchError]) -> str:
    if word == "last" or word.startswith("last~"):
        back = word[5:] or "0"
        if not back.isdigit():
            raise wrong(f"'{back}' is no number of benchmarks to go back")
        if int(back) >= len(known):
            raise wrong(f"there are only {len(known)} benchmarks" if known else "no benchmark is stored yet")
        return known[-1 - int(back)]
    if word in known:
        return word
    found = [each for each in known if word and each.startswith(word)]
    if len(found) != 1:
        raise wrong(f"{len(found)} benchmarks begin with it" if found else "there is no such benchmark")
    return found[0]
