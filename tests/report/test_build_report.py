"""A report says what the evidence says, and adds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.records import START, job, phase, report, started, write_run

from pytest_2501bench.errors import Cause, Phase
from pytest_2501bench.evidence.log import read_evidence
from pytest_2501bench.evidence.model import Evidence, FailureRecord, JobRecord, TaskRecord
from pytest_2501bench.report.build import build_report
from pytest_2501bench.report.model import CheckResult
from pytest_2501bench.scoring.model import Status, Verdicts

VERDICTS = Verdicts(task_validation=report().task_validation, compliance=report().compliance)


def tasks(*tokens: int | None) -> JobRecord:
    records = tuple(TaskRecord(id=f"tsk_{n}", status="completed", input_tokens=t) for n, t in enumerate(tokens))
    return JobRecord(id="job_1", status="completed", finished=True, tasks=records)


def test_a_whole_run(tmp_path: Path) -> None:
    evidence = read_evidence(write_run(tmp_path / "run"))
    check = CheckResult(name="cost", status=Status.FAILED, reason="too dear")
    built = build_report(evidence, VERDICTS, [check], Path("runs/bmk_1/run"))
    assert (built.run_id, built.key, built.title) == ("run_1", "nginx/001-broken-config", "nginx does not start")
    assert built.tags == ("nginx", "web")
    assert built.status is Status.FAILED
    assert (built.input_tokens, built.output_tokens, built.cost_usd, built.task_count) == (100, 20, 0.25, 1)
    assert built.resolution_status == "success"
    assert (built.started_at, built.finished_at) == (START, START + 10)
    assert built.phases == evidence.phases
    assert built.warnings == ("restore was slow",)
    assert built.checks == (check,)
    assert built.evidence == "runs/bmk_1/run"
    assert (built.failure_cause, built.failure_message) == (None, "")


def test_the_engine_that_was_asked_for_goes_before_the_one_that_the_job_names() -> None:
    said = Evidence(run=started(), job=job())
    assert build_report(said, VERDICTS).main_engine == "engine-a"
    asked = Evidence(run=started(main_engine="engine-b"), job=job())
    assert build_report(asked, VERDICTS).main_engine == "engine-b"


@pytest.mark.parametrize(
    ("of_job", "tokens", "count"),
    [
        (None, None, None),
        (JobRecord(id="job_1", status="failed", finished=True), None, None),
        (tasks(), None, 0),
        (tasks(None, None), None, 2),
        (tasks(None, 5, 7), 12, 3),
        (tasks(0), 0, 1),
    ],
)
def test_tokens_that_nobody_told_are_not_zero(of_job: JobRecord | None, tokens: int | None, count: int | None) -> None:
    built = build_report(Evidence(run=started(), job=of_job), VERDICTS)
    assert built.input_tokens == tokens
    assert built.task_count == count


def test_a_failure_keeps_its_cause_phase_and_words() -> None:
    failure = FailureRecord(cause=Cause.PREPARE_FAILED, phase=Phase.PREPARE, message="no nginx")
    built = build_report(Evidence(run=started(), failure=failure), VERDICTS)
    assert (built.failure_cause, built.failure_phase) == (Cause.PREPARE_FAILED, Phase.PREPARE)
    assert built.failure_message == "no nginx"


def test_a_run_that_was_cut_off_ended_at_the_last_moment_it_tells_of() -> None:
    assert build_report(Evidence(run=started()), VERDICTS).finished_at == START
    cut = Evidence(run=started(), phases=(phase(Phase.PROVISION, 2, seconds=3),))
    assert build_report(cut, VERDICTS).finished_at == START + 5
