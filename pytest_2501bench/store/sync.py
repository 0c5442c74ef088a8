"""Importing what a crash, or a database that was away, left on disk: no run is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_2501bench.errors import TABLE, BenchError, Cause, Gate, Phase, Verdict
from pytest_2501bench.evidence.folder import (
    BENCHMARK_FILE,
    RunFolder,
    read_benchmark,
    read_report,
    runs_in,
    write_report,
)
from pytest_2501bench.evidence.model import Evidence, FailureRecord
from pytest_2501bench.evidence.read import read_evidence
from pytest_2501bench.report.build import build_report, last_moment
from pytest_2501bench.report.model import Benchmark, ScenarioReport
from pytest_2501bench.scoring.model import GateResult, Status, Verdicts
from pytest_2501bench.store.flush_journal import pending_folders
from pytest_2501bench.store.repository import Store

if TYPE_CHECKING:
    from pytest_2501bench.scoring.rules import CustomValidator


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did; run folders are relative to the bench directory.

    Attributes:
        imported: runs that are in the database now and were not before.
        incomplete: those of them that a crash had cut off: recorded as errors, not scored.
        already: how many runs were in the database before.
        problems: one line for each run that could not be imported, saying why.
        running: runs that a living session still works on; left alone.
    """

    imported: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    already: int = 0
    problems: tuple[str, ...] = ()
    running: tuple[str, ...] = ()


def sync(bench_dir: Path, store: Store, *, custom: Mapping[str, CustomValidator] | None = None) -> SyncResult:
    """Import every run under *bench_dir* that *store* does not have.

    A run with a report is imported as it is. One without is scored from its evidence, if that is whole, or else
    recorded as an error with cause ``interrupted``; its ``report.json`` is written, so that the next sync agrees.

    Args:
        bench_dir: the folder for results.
        store: the database.
        custom: rule types of plugins, as :func:`pytest_2501bench.scoring.gates.score` takes them.

    Raises:
        BenchError: ``database_lost``; whatever is wrong with one run is a line in ``problems``.
    """
    flushed = pending_folders(bench_dir)  # their rows may be gone: importing them would undo the flush
    folders = [folder for folder in runs_in(bench_dir) if folder.relative not in flushed]
    stored = store.stored_runs(folder.benchmark_id for folder in folders)
    known_benchmarks: set[str] = set()
    imported, incomplete, problems, running = [], [], [], []
    already = 0
    for folder in folders:
        if (folder.benchmark_id, folder.relative) in stored:
            already += 1
            continue
        if not folder.has_report and folder.owner_alive:
            running.append(folder.relative)
            continue
        try:
            report = report_of(folder, custom or {})
            is_new = store.report(report.run_id) is None
            if report.benchmark_id not in known_benchmarks:
                problems += _ensure_benchmark(store, folder, report)
                known_benchmarks.add(report.benchmark_id)
            store.save_report(report)
        except BenchError as error:
            if error.cause is Cause.DATABASE_LOST:
                raise
            problems.append(str(error))
            continue
        if not is_new:
            already += 1
            continue
        imported.append(folder.relative)
        if report.failure_cause is Cause.INTERRUPTED:
            incomplete.append(folder.relative)
    return SyncResult(tuple(imported), tuple(incomplete), already, tuple(problems), tuple(running))


def report_of(folder: RunFolder, custom: Mapping[str, CustomValidator], *, died: str = "") -> ScenarioReport:
    """Return the report of a run whose process is gone; if there is none on disk, make it, and write it.

    Args:
        folder: the run.
        custom: rule types of plugins.
        died: which process did, if only the run's own; by default its whole session ended.

    Raises:
        BenchError: ``evidence_missing`` or ``evidence_not_written``.
    """
    if folder.has_report:
        return read_report(folder.path)
    evidence = read_evidence(folder.evidence)
    if _scorable(evidence):
        verdicts = _score(evidence, custom)
    else:
        evidence = _interrupted(evidence, died)
        verdicts = _lost(evidence)
    report = build_report(evidence, verdicts, evidence_dir=folder.relative)
    write_report(folder.path, report)
    return report


def _scorable(evidence: Evidence) -> bool:
    """Return whether nothing that decides a verdict could still have come: restore, at most."""
    validated = any(phase.name is Phase.VALIDATE for phase in evidence.phases)
    lost = evidence.failure is not None and TABLE[evidence.failure.cause].verdict is Verdict.ERROR
    return evidence.finished_at is not None or validated or lost


def _score(evidence: Evidence, custom: Mapping[str, CustomValidator]) -> Verdicts:
    from pytest_2501bench.scenario.model import Scenario
    from pytest_2501bench.scoring.gates import score

    try:
        scenario = Scenario.model_validate(evidence.run.scenario)
    except ValueError as error:
        what = f"{evidence.run.nodeid}: the scenario in its evidence cannot be read: {str(error).splitlines()[0]}"
        raise BenchError(Cause.EVIDENCE_MISSING, what) from error
    return score(scenario, evidence, has_validate=evidence.run.has_validate, custom=custom)


def _interrupted(evidence: Evidence, died: str) -> Evidence:
    order = list(Phase)
    ended = [phase.name for phase in evidence.phases]
    phase = order[min(order.index(ended[-1]) + 1, order.index(Phase.VALIDATE))] if ended else Phase.PROVISION
    why = f"{died} died during this run, which is not repeated" if died else "the session ended before the run did"
    cause = Cause.WORKER_DIED if died else Cause.INTERRUPTED
    failure = FailureRecord(cause=cause, phase=phase, message=f"{why}: nothing is recorded of {phase} or later")
    return evidence.model_copy(update={"failure": failure, "finished_at": last_moment(evidence)})


def _lost(evidence: Evidence) -> Verdicts:
    assert evidence.failure is not None
    failure = evidence.failure
    task, rules = (
        GateResult(gate=gate, status=Status.ERROR, reason=failure.message, cause=failure.cause)
        for gate in (Gate.TASK_VALIDATION, Gate.COMPLIANCE)
    )
    return Verdicts(task_validation=task, compliance=rules)


def _ensure_benchmark(store: Store, folder: RunFolder, report: ScenarioReport) -> list[str]:
    """Store the run's benchmark if need be; return what is wrong with its file, if anything."""
    stored = store.benchmark(report.benchmark_id)
    if stored is not None and stored.finished_at is not None:
        return []
    problems = []
    try:
        benchmark = read_benchmark(folder.path.parent)
    except BenchError as error:
        if stored is not None:
            return []
        # The run counts more than who started it.
        problems.append(f"{error} {BENCHMARK_FILE} is made up from the run {folder.relative}.")
        benchmark = _made_up(report)
    if benchmark.id != report.benchmark_id:
        what = f"{folder.path}: the run is of benchmark {report.benchmark_id}, its folder of {benchmark.id}"
        raise BenchError(Cause.EVIDENCE_MISSING, what)
    store.save_benchmark(benchmark)
    return problems


def _made_up(report: ScenarioReport) -> Benchmark:
    return Benchmark(
        id=report.benchmark_id,
        started_at=report.started_at,
        user="unknown",
        machine="unknown",
        mode=report.mode,
        gateway=report.gateway,
        agent=report.agent,
        main_engine=report.main_engine,
        secondary_engine=report.secondary_engine,
        specialty=report.specialty,
    )
