"""From evidence and report of one run to what an auditor reads. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pytest_2501bench.audit.model import (
    Action,
    Chain,
    GateAccount,
    MovedFile,
    PlaybookAccount,
    RuleAccount,
    RunAccount,
    Work,
)
from pytest_2501bench.audit.told_rules import forbids, looked_at, pattern_of, rule_of, where_of
from pytest_2501bench.scenario.model import BUILT_IN_RULES, Scenario
from pytest_2501bench.scoring.claims import SCOPE as CLAIMS
from pytest_2501bench.scoring.command_rules import SCOPES
from pytest_2501bench.scoring.gates import score

if TYPE_CHECKING:
    from pytest_2501bench.evidence.model import Command, Evidence, TaskRecord
    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.scoring.model import GateResult, RuleResult


def account(
    evidence: Evidence, report: ScenarioReport, chain: Chain, *, broken: int | None, stored_alike: bool
) -> RunAccount:
    """Return the account of one run.

    Args:
        evidence: all of it.
        report: as it was scored.
        chain: over its folder.
        broken: of :func:`~pytest_2501bench.audit.chain.broken_at`.
        stored_alike: the database has the same report.
    """
    job = evidence.job
    tasks = None if job is None else job.tasks
    gates = (report.task_validation, report.compliance)
    return RunAccount(
        **{name: getattr(report, name) for name in _COPIED},
        folder=report.evidence,
        ticket=None if evidence.ticket is None else evidence.ticket.id,
        resolution=None if job is None else job.resolution_summary,
        gates=tuple(_gate(gate) for gate in gates),
        failure=evidence.failure,
        hosts=evidence.hosts,
        agents=evidence.agents,
        work=None if tasks is None else tuple(_work(task, index) for index, task in enumerate(tasks)),
        actions=tuple(action for index, task in enumerate(tasks or ()) for action in _actions(task, index)),
        files=tuple(file for index, task in enumerate(tasks or ()) for file in _files(task, index)),
        rules=tuple(_rule(gate, rule, evidence) for gate in gates for rule in gate.rules),
        playbooks=tuple(_playbooks(evidence)),
        left_running=evidence.left_running,
        unreached=evidence.unreached,
        warnings=evidence.warnings,
        written_as_chain=broken is None,
        doubts=tuple(_doubts(evidence)),
        contradictions=tuple(_contradictions(evidence, report, broken)),
        stored_alike=stored_alike,
        chain=chain,
    )


_COPIED = (
    *("run_id", "benchmark_id", "key", "title", "nodeid", "iteration", "mode", "gateway", "agent", "main_engine"),
    *("secondary_engine", "specialty", "started_at", "finished_at", "version_key", "status"),
)


def _gate(gate: GateResult) -> GateAccount:
    return GateAccount(gate=gate.gate, status=gate.status, reason=gate.reason, cause=gate.cause, score=gate.score)


def _actions(task: TaskRecord, index: int) -> Iterator[Action]:
    for number, command in enumerate(task.executed_commands or ()):
        yield _action(command, task, f"tasks[{index}].executed_commands[{number}]")


def _action(command: Command, task: TaskRecord, source: str) -> Action:
    seen = command.seen
    return Action(
        source=source,
        host=command.host or task.host_name,
        command=command.command,
        exit_status=command.exit_status,
        started_at=command.started_at,
        duration=command.duration,
        seen=seen is not None and task.recorded is not False,
        kind=None if seen is None else seen.kind,
        session=None if seen is None else seen.session,
        traits=() if seen is None else seen.traits,
    )


def _files(task: TaskRecord, index: int) -> Iterator[MovedFile]:
    for number, command in enumerate(task.executed_commands or ()):
        for file in command.seen.files if command.seen else ():
            yield MovedFile(
                source=f"tasks[{index}].executed_commands[{number}]",
                host=command.host or task.host_name,
                path=file.path,
                to_host=file.to_host,
                bytes=file.bytes,
                at=command.started_at,
            )


def _work(task: TaskRecord, index: int) -> Work:
    claims = task.claimed_commands
    return Work(
        id=task.id,
        agent=task.agent_name or task.agent_id,
        host=task.host_name or task.host_id,
        status=task.status,
        recorded=task.recorded,
        injected_rules=task.operational_rules,
        actions=None if task.executed_commands is None else len(task.executed_commands),
        summary=task.summary,
        claims=None
        if claims is None
        else tuple(
            _action(each, task, f"tasks[{index}].claimed_commands[{number}]") for number, each in enumerate(claims)
        ),
    )


def _rule(gate: GateResult, result: RuleResult, evidence: Evidence) -> RuleAccount:
    said = rule_of(evidence.run.scenario, result)
    return RuleAccount(
        gate=gate.gate,
        result=result,
        pattern=pattern_of(said, result.scope),
        where=where_of(said, result.scope),
        forbids=forbids(said, result),
        looked_at=looked_at(said, result.scope, evidence),
    )


def _playbooks(evidence: Evidence) -> Iterator[PlaybookAccount]:
    for each in evidence.playbooks:
        failed = each.failure
        yield PlaybookAccount(
            name=each.name,
            phase=each.phase,
            status=each.status,
            started_at=each.started_at,
            seconds=each.seconds,
            failed_task=f"{failed.task} on {failed.host}: {failed.message}" if failed else each.message or None,
            log=each.log,
        )


def _doubts(evidence: Evidence) -> Iterator[str]:
    if evidence.finished_at is None:
        yield "the run was cut off: its evidence has no end"
    for task in (evidence.job.tasks if evidence.job else None) or ():
        if task.executed_commands is None:
            yield f"task {task.id}: there is no record of its commands"
        elif task.recorded is False or any(command.seen is None for command in task.executed_commands):
            yield f"task {task.id}: commands were told by the engine or the agent, nobody saw them on their way"
    if evidence.unreached:
        yield f"hosts were out of reach while the agent worked: {', '.join(evidence.unreached)}"


def _contradictions(evidence: Evidence, report: ScenarioReport, broken: int | None) -> Iterator[str]:
    if broken:
        yield f"evidence.jsonl: event {broken}, or the one after it, was changed after they were written"
    if (evidence.run.run_id, evidence.run.benchmark_id) != (report.run_id, report.benchmark_id):
        yield f"the evidence is of run {evidence.run.run_id} of {evidence.run.benchmark_id}"
    yield from _scored_again(evidence, report)


def _scored_again(evidence: Evidence, report: ScenarioReport) -> Iterator[str]:
    """Yield verdicts that do not follow from the evidence; those of other plugins' validators are not tried."""
    if any(
        rule.validator not in BUILT_IN_RULES and rule.scope not in {*SCOPES, CLAIMS} for rule in report.compliance.rules
    ):
        return
    try:
        scenario = Scenario.model_validate(evidence.run.scenario)
    except ValidationError:
        yield "the scenario in the evidence cannot be read by this version: the verdicts were not scored again"
        return
    again = score(scenario, evidence, has_validate=evidence.run.has_validate)
    for then, now in (
        (report.task_validation, again.task_validation),
        (report.compliance, again.compliance),
    ):
        if then.status is not now.status:
            words = then.gate.replace("_", " ")
            yield f"{words}: the report says {then.status}, scored again from the evidence it is {now.status}"
