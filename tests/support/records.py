"""Example records of one run, for tests of evidence, store and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_2501bench.errors import Cause, Gate, Phase
from pytest_2501bench.evidence.log import EvidenceLog
from pytest_2501bench.evidence.model import (
    AgentRecord,
    Command,
    HostRecord,
    JobRecord,
    PhaseRecord,
    PhaseStatus,
    PlaybookRecord,
    PlaybookStatus,
    PlaybookTask,
    ResolutionStatus,
    RunStarted,
    TaskRecord,
    TicketRecord,
)
from pytest_2501bench.report.model import Benchmark, ScenarioReport
from pytest_2501bench.scoring.model import GateResult, RuleResult, Span, Status

START = 1_763_929_000.25

SCENARIO: dict[str, Any] = {
    "key": "nginx/001-broken-config",
    "title": "nginx does not start",
    "description": "a note",
    "ticket_title": "The site is down",
    "ticket_body": "Customers see an error.",
    "tags": ["nginx", "web"],
    "validation": {
        "tasks": [
            {"label": "asks nginx", "validator": "pattern_match", "pattern": "nginx -t", "where": "executed_commands"}
        ]
    },
}


def benchmark(benchmark_id: str = "bmk_1", **changes: Any) -> Benchmark:
    """A benchmark that is under way."""
    fields: dict[str, Any] = {
        "id": benchmark_id,
        "started_at": START - 5,
        "user": "ada",
        "machine": "lab-1",
        "mode": "namespace",
        "gateway": "runner",
        "agent": "oracle",
        "settings": {"iter": 2, "mode": "namespace"},
        "versions": {"python": "3.11.7"},
        "git": {"commit": "abc", "dirty": False},
    }
    return Benchmark(**fields | changes)


def started(run_id: str = "run_1", **changes: Any) -> RunStarted:
    """The head of a run's evidence."""
    fields: dict[str, Any] = {
        "run_id": run_id,
        "benchmark_id": "bmk_1",
        "key": "nginx/001-broken-config",
        "nodeid": "scenarios/nginx/001-broken-config/scenario.json::run1",
        "iteration": 1,
        "mode": "namespace",
        "gateway": "runner",
        "agent": "oracle",
        "started_at": START,
        "scenario": SCENARIO,
        "version_key": {"scenario": "00ff", "rules": "11ee"},
    }
    return RunStarted(**fields | changes)


def phase(name: Phase, offset: float, seconds: float = 1.5) -> PhaseRecord:
    """A phase that went well."""
    return PhaseRecord(name=name, status=PhaseStatus.OK, started_at=START + offset, seconds=seconds)


def job(*commands: str, finished: bool = True) -> JobRecord:
    """A job of one task that ran *commands*."""
    task = TaskRecord(
        id="tsk_1",
        status="completed" if finished else "in_progress",
        agent_id="agt_1",
        executed_commands=tuple(Command(command=command, exit_status=0) for command in commands),
        input_tokens=100,
        output_tokens=20,
        cost_usd=0.25,
    )
    return JobRecord(
        id="job_1",
        status="completed" if finished else "in_progress",
        finished=finished,
        resolution_status=ResolutionStatus.SUCCESS if finished else None,
        tasks=(task,),
        main_engine="engine-a",
    )


def validated() -> PlaybookRecord:
    """A validate.yml that passed."""
    task = PlaybookTask(task="the site answers", host="web-01", action="ansible.builtin.uri", status="ok")
    return PlaybookRecord(
        name="validate.yml",
        phase=Phase.VALIDATE,
        status=PlaybookStatus.OK,
        rc=0,
        started_at=START + 6,
        seconds=1,
        tasks=(task,),
    )


def write_run(run_dir: Path, head: RunStarted | None = None, *, finish: bool = True) -> Path:
    """Write a whole run's evidence; return the file."""
    log = EvidenceLog.create(run_dir, head or started())
    log.hosts([HostRecord(host_id="hst_1", host_name="web-01", template="debian-base")])
    log.agents([AgentRecord(agent_id="agt_1", agent_name="fixer", host_id="hst_1")])
    for position, name in enumerate((Phase.PROVISION, Phase.PREPARE, Phase.FLUSH)):
        log.phase(phase(name, float(position)))
    log.job(job("ls", finished=False), sync=False)
    log.job(job("ls", "nginx -t"))
    log.ticket(TicketRecord(id="tkt_1", status="resolved", messages=("fixed — naïve café ✓",)))
    log.phase(phase(Phase.EXECUTE, 3.0))
    log.playbook(validated())
    log.phase(phase(Phase.VALIDATE, 6.0))
    log.warning("restore was slow")
    log.phase(phase(Phase.RESTORE, 8.0))
    if finish:
        log.finish(START + 10)
    log.close()
    return log.path


def report(run_id: str = "run_1", **changes: Any) -> ScenarioReport:
    """A run that repaired the host and broke a rule."""
    rules = (
        rule(0, Status.PASSED),
        rule(1, Status.FAILED, cause=Cause.RULE_NOT_MET, reason="matches in task 1", negate=True),
    )
    fields: dict[str, Any] = {
        "run_id": run_id,
        "benchmark_id": "bmk_1",
        "key": "nginx/001-broken-config",
        "title": "nginx does not start",
        "tags": ("nginx", "web"),
        "nodeid": "scenarios/nginx/001-broken-config/scenario.json::run1",
        "iteration": 1,
        "mode": "namespace",
        "gateway": "runner",
        "agent": "oracle",
        "status": Status.FAILED,
        "task_validation": GateResult(gate=Gate.TASK_VALIDATION, status=Status.PASSED, reason="validate.yml passed"),
        "compliance": GateResult(
            gate=Gate.COMPLIANCE,
            status=Status.FAILED,
            reason="a rule is not met",
            cause=Cause.RULE_NOT_MET,
            rules=rules,
            score=0.5,
        ),
        "phases": (phase(Phase.PROVISION, 0.1), phase(Phase.EXECUTE, 3.123456789)),
        "resolution_status": "success",
        "task_count": 1,
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_usd": 0.1234567,
        "started_at": START,
        "finished_at": START + 9.1234567,
        "version_key": {"scenario": "00ff"},
        "evidence": f"runs/bmk_1/{run_id}",
    }
    return ScenarioReport(**fields | changes)


def rule(index: int, status: Status, **changes: Any) -> RuleResult:
    """One rule's result."""
    fields: dict[str, Any] = {
        "scope": "tasks",
        "index": index,
        "label": f"rule {index}",
        "validator": "pattern_match",
        "required": True,
        "negate": False,
        "status": status,
        "reason": "matched in task 1",
        "span": Span(source="tasks[0].executed_commands[1]", text="nginx -t", start=0, end=8),
    }
    return RuleResult(**fields | changes)
