"""Runs counted by the database, and runs without their documents: what a page about 100,000 of them needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

import sqlalchemy as sa

from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.errors import Cause
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.statistics.proportion import Counts
from pytest_2501bench.store.connect import in_use, transaction
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.schema import benchmarks, scenario_reports

if TYPE_CHECKING:
    from pytest_2501bench.report.model import ScenarioReport

NO_EVIDENCE: Final = (Cause.EVIDENCE_MISSING.value, Cause.PATTERN_TIMED_OUT.value)
"""No verdict, but not for want of a host, an engine or a database."""

_AT_A_TIME: Final = 100
_T = scenario_reports.c
_SUBJECT = (_T.agent, _T.main_engine, _T.secondary_engine, _T.specialty)


@dataclass(frozen=True, slots=True)
class Group:
    """The runs of one benchmark, scenario, measured agent and version key.

    Attributes:
        subject: agent, engines and specialty, as one text; empty when nothing is known.
        agent: the parts of it; likewise the engines and the specialty.
        version_digest: of the runs' version key.
        started_at: of the first run, Unix seconds.
        runs: all of them.
        passed: by verdict.
        lost: runs without that verdict, by verdict.
        undecided: those of *lost* whose evidence was missing.
        seconds: wall time of all runs together.
        tokens: of the runs whose engine said; None if none did.
        cost_usd: likewise.
    """

    benchmark_id: str
    key: str
    title: str
    subject: str
    agent: str | None
    main_engine: str | None
    secondary_engine: str | None
    specialty: str | None
    version_digest: str
    started_at: float
    runs: int
    passed: Mapping[What, int]
    lost: Mapping[What, int]
    undecided: Mapping[What, int]
    seconds: float
    tokens: int | None
    cost_usd: float | None

    def counts(self, what: What) -> Counts:
        """Return how many passed of how many with a verdict."""
        return Counts(self.passed[what], self.runs - self.lost[what], self.lost[what])


@dataclass(frozen=True, slots=True)
class GateStatus:
    """A gate without its rules. *cause*: why it is not passed."""

    status: Status
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run without its document; named as in ``ScenarioReport``, so that ``analysis`` may be asked about it."""

    run_id: str
    benchmark_id: str
    key: str
    title: str
    nodeid: str
    iteration: int
    mode: str
    gateway: str
    agent: str | None
    main_engine: str | None
    secondary_engine: str | None
    specialty: str | None
    status: Status
    task_validation: GateStatus
    compliance: GateStatus
    compliance_score: float | None
    failure_cause: str | None
    failure_phase: str | None
    failure_message: str
    tokens: int | None
    cost_usd: float | None
    started_at: float
    seconds: float
    tags: tuple[str, ...]
    version_key: Mapping[str, str]

    @property
    def why(self) -> str:
        """Why it did not pass, in one line; empty if it did."""
        if self.failure_message or self.status is Status.PASSED:
            return self.failure_message
        causes = dict.fromkeys((self.task_validation.cause, self.compliance.cause))
        return ", ".join(cause.replace("_", " ") for cause in causes if cause)

    @property
    def subject(self) -> str:
        """Agent, engines and specialty, as one text."""
        return subject(self.agent, self.main_engine, self.secondary_engine, self.specialty)


def subject(*parts: str | None) -> str:
    """Return who was measured, as one text."""
    return ", ".join(part for part in parts if part)


def groups(store: Store, *, benchmark_id: str | None = None, key: str | None = None) -> tuple[Group, ...]:
    """Return the runs that are asked for (default: all), counted; in the order of time. Raises ``database_lost``."""
    verdicts = _verdicts()
    columns: list[sa.ColumnElement[Any]] = [
        sa.func.count().label("runs"),
        sa.func.min(_T.started_at).label("started"),
        sa.func.max(_T.title).label("title"),
        sa.func.sum(_T.seconds).label("seconds"),
        sa.func.sum(_TOKENS).label("tokens"),
        sa.func.sum(_T.cost_usd).label("cost"),
    ]
    for what, (status, undecided) in verdicts.items():
        columns += [
            _number(status == Status.PASSED.value).label(f"passed_{what.name}"),
            _number(status == Status.ERROR.value).label(f"lost_{what.name}"),
            _number(undecided).label(f"undecided_{what.name}"),
        ]
    by = (_T.benchmark_id, _T.key, *_SUBJECT, _T.version_digest)
    query = sa.select(*by, *columns).where(*_wanted(benchmark_id, key)).group_by(*by).order_by("started", _T.key)
    with in_use(store.target), transaction(store.engine) as connection:
        return tuple(_group(row) for row in connection.execute(query).mappings())


def version_keys(store: Store) -> dict[str, dict[str, str]]:
    """Return version digest → version key, one for all runs that share it. Raises ``database_lost``."""
    first = sa.select(sa.func.min(_T.run_id)).group_by(_T.version_digest)
    query = sa.select(_T.version_digest, _T.version_key).where(_T.run_id.in_(first))
    with in_use(store.target), transaction(store.engine) as connection:
        return {str(row.version_digest): dict(row.version_key) for row in connection.execute(query)}


def scenario_tags(store: Store) -> dict[str, tuple[str, ...]]:
    """Return scenario key → the tags of its newest run. Raises ``database_lost``."""
    newest = sa.select(_T.key, sa.func.max(_T.started_at).label("at")).group_by(_T.key).subquery()
    query = sa.select(_T.key, _T.tags).join(newest, sa.and_(_T.key == newest.c.key, _T.started_at == newest.c.at))
    with in_use(store.target), transaction(store.engine) as connection:
        return {str(row.key): tuple(row.tags) for row in connection.execute(query)}


def run_rows(
    store: Store,
    *,
    benchmark_id: str | None = None,
    benchmark_ids: Collection[str] | None = None,
    key: str | None = None,
    passed: bool | None = None,
    limit: int | None = None,
    offset: int = 0,
    oldest_first: bool = False,
    keys: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> tuple[RunRow, ...]:
    """Return runs, newest first. Raises ``database_lost``.

    Args:
        store: where they are.
        benchmark_id: only of this benchmark.
        benchmark_ids: only of these.
        key: only of this scenario.
        passed: only those that passed both gates, or only the others.
        limit: at most so many.
        offset: after so many.
        oldest_first: in the order of ``Store.reports``, on which the pairs of a comparison depend.
        keys: of :func:`version_keys`, for whoever asks what may be compared; else a row only has the digest.
    """
    conditions = _wanted(benchmark_id, key)
    if benchmark_ids is not None:
        conditions.append(_T.benchmark_id.in_(sorted(benchmark_ids)))
    if passed is not None:
        conditions.append((_T.status == Status.PASSED.value) == sa.literal(passed))
    query = sa.select(*_ROW, _TOKENS.label("tokens")).where(*conditions)
    query = (
        query.order_by(_T.started_at if oldest_first else _T.started_at.desc(), _T.run_id).offset(offset).limit(limit)
    )
    with in_use(store.target), transaction(store.engine) as connection:
        return tuple(_rows(connection.execute(query).mappings(), keys))


def light_reports(store: Store) -> tuple[ScenarioReport, ...]:
    """Return all runs, oldest first, for the questions of ``analysis``, which ask nothing of their documents.

    Of 100,000 runs this takes seconds, where whole reports would take minutes. Raises ``database_lost``.
    """
    return cast("tuple[ScenarioReport, ...]", run_rows(store, keys=version_keys(store), oldest_first=True))


def whole_reports(store: Store, run_ids: Sequence[str]) -> Iterator[ScenarioReport]:
    """Yield the reports of *run_ids* that are there, in that order, a hundred a query. Raises ``database_lost``."""
    from pytest_2501bench.report.model import ScenarioReport

    for first in range(0, len(run_ids), _AT_A_TIME):
        some = run_ids[first : first + _AT_A_TIME]
        query = sa.select(_T.run_id, _T.document).where(_T.run_id.in_(some))
        with in_use(store.target), transaction(store.engine) as connection:
            documents = {row.run_id: row.document for row in connection.execute(query)}
        yield from (ScenarioReport.model_validate(documents[run_id]) for run_id in some if run_id in documents)


def run_count(store: Store, *, benchmark_id: str | None = None, key: str | None = None) -> int:
    """Return how many runs there are. Raises ``database_lost``."""
    query = sa.select(sa.func.count()).select_from(scenario_reports).where(*_wanted(benchmark_id, key))
    with in_use(store.target), transaction(store.engine) as connection:
        return int(connection.scalar(query) or 0)


def state(store: Store) -> str:
    """Return a text that changes when a run is stored or a benchmark begins or ends. Raises ``database_lost``."""
    runs = sa.select(sa.func.count(), sa.func.max(_T.finished_at)).select_from(scenario_reports)
    heads = sa.select(sa.func.count(), sa.func.count(benchmarks.c.finished_at)).select_from(benchmarks)
    with in_use(store.target), transaction(store.engine) as connection:
        return " ".join(str(value) for query in (runs, heads) for value in connection.execute(query).one())


_SAID = sa.or_(_T.input_tokens.is_not(None), _T.output_tokens.is_not(None))
_TOKENS = sa.case((_SAID, sa.func.coalesce(_T.input_tokens, 0) + sa.func.coalesce(_T.output_tokens, 0)))
_ROW = (
    *(_T[field.name] for field in fields(RunRow) if field.name not in ("tokens", "version_key")),
    _T.version_digest,
    _T.task_validation_cause,
    _T.compliance_cause,
)


def _wanted(benchmark_id: str | None, key: str | None) -> list[sa.ColumnElement[bool]]:
    wanted = ((_T.benchmark_id, benchmark_id), (_T.key, key))
    return [column == value for column, value in wanted if value is not None]


def _number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _verdicts() -> dict[What, tuple[sa.ColumnElement[str], sa.ColumnElement[bool]]]:
    def lacks(status: sa.ColumnElement[str], cause: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return sa.and_(status == Status.ERROR.value, cause.in_(NO_EVIDENCE))

    task = lacks(_T.task_validation, _T.task_validation_cause)
    way = lacks(_T.compliance, _T.compliance_cause)
    both = sa.and_(
        _T.status == Status.ERROR.value,
        sa.or_(_T.task_validation != Status.ERROR.value, task),
        sa.or_(_T.compliance != Status.ERROR.value, way),
    )
    return {
        What.TASK_VALIDATION: (_T.task_validation, task),
        What.COMPLIANCE: (_T.compliance, way),
        What.BOTH: (_T.status, both),
    }


def _group(row: sa.RowMapping) -> Group:
    def each(name: str) -> dict[What, int]:
        return {what: int(row[f"{name}_{what.name}"]) for what in What}

    return Group(
        benchmark_id=row["benchmark_id"],
        key=row["key"],
        title=row["title"],
        subject=subject(row["agent"], row["main_engine"], row["secondary_engine"], row["specialty"]),
        agent=row["agent"],
        main_engine=row["main_engine"],
        secondary_engine=row["secondary_engine"],
        specialty=row["specialty"],
        version_digest=row["version_digest"],
        started_at=row["started"],
        runs=int(row["runs"]),
        passed=each("passed"),
        lost=each("lost"),
        undecided=each("undecided"),
        seconds=float(row["seconds"]),
        tokens=None if row["tokens"] is None else int(row["tokens"]),
        cost_usd=None if row["cost"] is None else float(row["cost"]),
    )


def _rows(found: Any, keys: Mapping[str, Mapping[str, str]]) -> Iterator[RunRow]:
    for row in found:
        values = dict(row)
        digest = values.pop("version_digest")
        for gate in ("task_validation", "compliance"):
            values[gate] = GateStatus(Status(values[gate]), values.pop(f"{gate}_cause"))
        values["status"] = Status(values["status"])
        values["tags"] = tuple(values["tags"])
        # A run that was stored between the two questions may bring a new key.
        yield RunRow(**values, version_key=keys.get(digest, {"version": digest}))
