"""What the page of one run shows: its report and, where the folder is still there, all of its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_2501bench.errors import TABLE, BenchError, Verdict
from pytest_2501bench.evidence.read import read_evidence
from pytest_2501bench.report.figures import cost, rules_passed, run_name, seconds, tokens
from pytest_2501bench.webreport.charts import Bar, bar, phase_bars
from pytest_2501bench.webreport.recordings import MOST_BYTES, Replay, inside, load_replays

if TYPE_CHECKING:
    from pytest_2501bench.evidence.model import Command, Evidence
    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.scoring.model import GateResult

MOST_COMMANDS: Final = 500
"""Of one task."""
MOST_REPLAYED: Final = 4 * MOST_BYTES
"""Bytes of all recordings on one page."""
_LOG_BYTES: Final = 60_000
_TICKS: Final = 400


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the timeline."""

    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """One run for its page.

    Attributes:
        report: with both verdicts.
        evidence: None when the folder is gone or unreadable; *missing* says why then.
        lanes: the timeline: phases, playbooks, commands of each host.
        logs: end of each playbook's log, by the log's name.
        replays: recorded sessions.
    """

    report: ScenarioReport
    evidence: Evidence | None
    missing: str
    facts: tuple[tuple[str, str], ...]
    lanes: tuple[Lane, ...]
    failure: str
    failure_status: str
    scores: dict[str, str]
    logs: dict[str, str] = field(default_factory=dict)
    replays: tuple[Replay, ...] = ()

    @property
    def name(self) -> str:
        """``nginx/001-broken-config run1``."""
        return run_name(self.report)

    @property
    def gates(self) -> tuple[GateResult, GateResult]:
        """Both gates."""
        return self.report.task_validation, self.report.compliance

    @property
    def size(self) -> int:
        """Characters of recordings, roughly the bytes that they add to a page."""
        return sum(len(replay.cast or "") for replay in self.replays)


def run_view(report: ScenarioReport, bench_dir: Path, *, replay_budget: int = MOST_REPLAYED) -> RunView:
    """Read what *bench_dir* has of a run, with at most *replay_budget* bytes of recordings."""
    evidence, missing = None, ""
    folder = bench_dir / report.evidence
    if not report.evidence or not folder.resolve().is_relative_to(bench_dir.resolve()):
        missing = "The run has no folder in the bench directory."
    else:
        try:
            evidence = read_evidence(folder)
        except BenchError as exc:
            missing = str(exc)
    return RunView(
        report=report,
        evidence=evidence,
        missing=missing,
        facts=_facts(report),
        lanes=_lanes(report, evidence),
        failure=report.failure_message.removeprefix(f"{report.failure_phase}: "),
        failure_status=_failure_status(report),
        scores={gate.gate.value: rules_passed(gate) for gate in (report.task_validation, report.compliance)},
        logs={} if evidence is None else _logs(folder, evidence),
        replays=() if evidence is None else load_replays(folder, evidence.recordings or (), replay_budget),
    )


def _logs(folder: Path, evidence: Evidence) -> dict[str, str]:
    found = {}
    for playbook in evidence.playbooks:
        path = inside(folder, playbook.log) if playbook.log else None
        if path is None:
            continue
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - _LOG_BYTES))
                text = file.read(_LOG_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        found[str(playbook.log)] = f"… the end of {size:,} bytes\n{text}" if size > _LOG_BYTES else text
    return found


def _lanes(report: ScenarioReport, evidence: Evidence | None) -> tuple[Lane, ...]:
    begin, end = report.started_at, report.finished_at
    lanes = [Lane("phases", phase_bars(report.phases, begin, end))]
    if evidence is None:
        return tuple(lanes)
    played = tuple(
        bar(
            each.name,
            each.started_at,
            each.seconds,
            "ok" if each.status.value == "ok" else "failed",
            within=(begin, end),
        )
        for each in evidence.playbooks
    )
    lanes.append(Lane("playbooks", played))
    hosts: dict[str, list[Command]] = {}
    for task in (evidence.job.tasks or ()) if evidence.job else ():
        for command in task.executed_commands or ():
            hosts.setdefault(command.host or task.host_name or "host", []).append(command)
    lanes += [Lane(f"commands on {host}", _ticks(commands, begin, end)) for host, commands in sorted(hosts.items())]
    return tuple(lane for lane in lanes if lane.bars)


def _ticks(commands: Sequence[Command], begin: float, end: float) -> tuple[Bar, ...]:
    timed = [command for command in commands if command.started_at is not None][:_TICKS]
    return tuple(
        bar(
            command.command[:80],
            command.started_at or begin,
            command.duration or 0,
            "failed" if command.exit_status else "ok",
            within=(begin, end),
        )
        for command in timed
    )


def _failure_status(report: ScenarioReport) -> str:
    if report.failure_cause is None:
        return ""
    verdict = TABLE[report.failure_cause].verdict
    return {Verdict.FAILURE: "failed", Verdict.WARNING: "warning"}.get(verdict, "error")


def _facts(report: ScenarioReport) -> tuple[tuple[str, str], ...]:
    known = (
        ("run", report.run_id),
        ("time", seconds(report.seconds)),
        ("mode", report.mode),
        ("gateway", report.gateway),
        ("agent", report.agent),
        ("main engine", report.main_engine),
        ("secondary engine", report.secondary_engine),
        ("specialty", report.specialty),
        ("resolution", (report.resolution_status or "").replace("_", " ")),
        ("tokens", "" if report.tokens is None else tokens(report.tokens)),
        ("cost", "" if report.cost_usd is None else cost(report.cost_usd)),
        ("tags", ", ".join(report.tags)),
        ("folder", report.evidence),
    )
    return tuple((name, value) for name, value in known if value)
