"""From evidence and verdicts to the ``ScenarioReport`` that is stored and shown. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, TypeVar

from pytest_2501bench.evidence.model import Evidence, JobRecord
from pytest_2501bench.report.collateral import COLLATERAL, collateral_check
from pytest_2501bench.report.model import CheckResult, ScenarioReport
from pytest_2501bench.scoring.model import Verdicts

_Number = TypeVar("_Number", int, float)


def build_report(
    evidence: Evidence,
    verdicts: Verdicts,
    checks: Sequence[CheckResult] = (),
    evidence_dir: PurePath | str = "",
    scenario: Mapping[str, Any] | None = None,
) -> ScenarioReport:
    """Return the report of one run.

    Args:
        evidence: all of the run.
        verdicts: what scoring made of it.
        checks: results of further checks; they change no gate. ``collateral`` is made here, from the evidence.
        evidence_dir: the run's folder, relative to the bench directory.
        scenario: the scenario.json, as JSON, that says what may change on the hosts; that of the run by default.
    """
    run, job, failure = evidence.run, evidence.job, evidence.failure
    collateral = collateral_check(evidence, run.scenario if scenario is None else scenario)
    others = [check for check in checks if check.name != COLLATERAL]
    tasks = job.tasks if job and job.tasks is not None else ()
    return ScenarioReport(
        run_id=run.run_id,
        benchmark_id=run.benchmark_id,
        key=run.key,
        title=str(run.scenario.get("title", run.key)),
        tags=tuple(run.scenario.get("tags", ())),
        nodeid=run.nodeid,
        iteration=run.iteration,
        mode=run.mode,
        gateway=run.gateway,
        agent=run.agent,
        # Asked for, or else what the engine says it used.
        main_engine=run.main_engine or (job.main_engine if job else None),
        secondary_engine=run.secondary_engine or (job.secondary_engine if job else None),
        specialty=run.specialty,
        status=verdicts.status,
        task_validation=verdicts.task_validation,
        compliance=verdicts.compliance,
        checks=(*([] if collateral is None else [collateral]), *others),
        failure_cause=failure.cause if failure else None,
        failure_phase=failure.phase if failure else None,
        failure_message=failure.message if failure else "",
        phases=evidence.phases,
        resolution_status=job.resolution_status if job else None,
        task_count=_task_count(job),
        input_tokens=_total(task.input_tokens for task in tasks),
        output_tokens=_total(task.output_tokens for task in tasks),
        cost_usd=_total(task.cost_usd for task in tasks),
        started_at=run.started_at,
        finished_at=last_moment(evidence),
        version_key=run.version_key,
        evidence=evidence_dir.as_posix() if isinstance(evidence_dir, PurePath) else evidence_dir,
        warnings=evidence.warnings,
        kept=evidence.kept,
    )


def last_moment(evidence: Evidence) -> float:
    """Return when the run ended (Unix seconds); for a run that was cut off, the last moment it tells of."""
    if evidence.finished_at is not None:
        return evidence.finished_at
    ends = [phase.started_at + phase.seconds for phase in evidence.phases]
    ends += [playbook.started_at + playbook.seconds for playbook in evidence.playbooks]
    return max(ends, default=evidence.run.started_at)


def _task_count(job: JobRecord | None) -> int | None:
    return None if job is None or job.tasks is None else len(job.tasks)


def _total(values: Iterable[_Number | None]) -> _Number | None:
    """Add up what was said; None when nobody said anything, which is not 0."""
    said = [value for value in values if value is not None]
    return sum(said[1:], start=said[0]) if said else None
