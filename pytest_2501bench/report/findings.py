"""What needs a reader's eye after a session: red gates, runs lost to infrastructure, gates without a verdict."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from pytest_2501bench.errors import TABLE, Gate, Verdict
from pytest_2501bench.matrix import variant_of
from pytest_2501bench.report.figures import GATE_NAME
from pytest_2501bench.report.model import Benchmark, ScenarioReport
from pytest_2501bench.scoring.model import GateResult, RuleResult, Status

_LOG: Final = re.compile(r" \(log: (?P<log>[^()]+)\)\Z")  # as BenchError writes it


@dataclass(frozen=True, slots=True)
class Finding:
    """One red or undecided gate, or both of a run when one and the same thing decided them.

    Attributes:
        report: the run.
        gates: one gate or both.
        status: failed or error.
        reason: one line, what decided.
        rules: the rules that decided: required ones that failed, or those without a verdict.
    """

    report: ScenarioReport
    gates: tuple[Gate, ...]
    status: Status
    reason: str
    rules: tuple[RuleResult, ...]

    @property
    def gate_names(self) -> str:
        """``compliance``, or ``task validation and compliance``."""
        return " and ".join(GATE_NAME[gate] for gate in self.gates)


@dataclass(frozen=True, slots=True)
class Findings:
    """All findings of a session, each in the order of the runs."""

    red: tuple[Finding, ...]
    undecided: tuple[Finding, ...]
    lost: tuple[ScenarioReport, ...]


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where a session's results are, as paths to be shown; None for what was not asked for."""

    bench_dir: str = ".2501bench"
    database: str | None = None
    junit: str | None = None
    html: str | None = None
    report: str | None = None
    markdown: str | None = None

    def folder(self, report: ScenarioReport) -> str:
        """Return the folder with the evidence and logs of a run."""
        return (PurePath(self.bench_dir) / report.evidence).as_posix() if report.evidence else ""

    def rows(self) -> tuple[tuple[str, str], ...]:
        """Return name and path of everything there is."""
        named = (
            ("database", self.database),
            ("junit", self.junit),
            ("html report", self.html),
            ("report", self.report),
            ("markdown", self.markdown),
            ("evidence", self.bench_dir),
        )
        return tuple((name, path) for name, path in named if path)


def find(reports: Iterable[ScenarioReport]) -> Findings:
    """Sort out what is wrong with *reports*; a passed gate is not mentioned."""
    red: list[Finding] = []
    undecided: list[Finding] = []
    lost: list[ScenarioReport] = []
    for report in reports:
        if is_lost(report):
            lost.append(report)
            continue
        found = [finding_of(report, gate) for gate in gates_of(report) if gate.status is not Status.PASSED]
        if len(found) == 2 and found[0].reason == found[1].reason and found[0].status is found[1].status:
            found = [Finding(report, tuple(Gate), found[0].status, found[0].reason, found[0].rules + found[1].rules)]
        for finding in found:
            (red if finding.status is Status.FAILED else undecided).append(finding)
    return Findings(tuple(red), tuple(undecided), tuple(lost))


def is_lost(report: ScenarioReport) -> bool:
    """Whether infrastructure took both verdicts away."""
    cause = report.failure_cause
    if cause is None or any(gate.status is not Status.ERROR for gate in gates_of(report)):
        return False
    return TABLE[cause].verdict in (Verdict.ERROR, Verdict.USAGE)


def gates_of(report: ScenarioReport) -> tuple[GateResult, GateResult]:
    """Return both gates, task validation first."""
    return report.task_validation, report.compliance


def finding_of(report: ScenarioReport, gate: GateResult) -> Finding:
    """Return why *gate* is not green, with the rules that decided it."""
    rules = tuple(rule for rule in gate.rules if rule.status is gate.status and rule.required)
    return Finding(report, (gate.gate,), gate.status, gate.reason, rules)


def loss(report: ScenarioReport) -> tuple[str, str]:
    """Return why a run is lost, in one line, and its log ("" if none is named); the phase is named next to them."""
    message = (report.failure_message or report.task_validation.reason).removeprefix(f"{report.failure_phase}: ")
    named = _LOG.search(message)
    return (message[: named.start()], named["log"]) if named else (message, "")


def advice(report: ScenarioReport) -> str:
    """Return what can be done about a lost run in general; its message may know better."""
    if report.failure_cause is None:
        return ""
    row = TABLE[report.failure_cause]
    return f"{row.meaning}; --infra-retries N tries again" if row.retry else row.meaning


_DECISIVE: Final = {
    "hosts": "--hosts",
    "incus_remote": "--incus-remote",
    "incus_vm": "--incus-vm",
    "vm_templates_path": "--vm-templates-path",
    "agent_limit": "--agent-limit",
    "record": "--record",
    "bastion": "--bastion",
}
"""Settings that a run depends on, and their options; what is as by default is not repeated."""


def rerun_command(report: ScenarioReport, benchmark: Benchmark) -> str:
    """Return the command that does this one run again, for any POSIX shell.

    Only what decides the run is repeated: mode, gateway, agent, engines, what stands in :data:`_DECISIVE`, and as many
    iterations as the run's number needs. Not what is secret: an outside engine is in ENGINE_URL or the env file.
    """
    words: list[str] = ["pytest", report.nodeid, "--mode", report.mode]
    for name, option in _DECISIVE.items():
        value = benchmark.settings.get(name)
        if value and value != "auto":
            words += [option] if value is True else [option, str(value)]
    if report.gateway != "runner":
        words += ["--gateway", report.gateway]
    command = benchmark.settings.get("agent_command")
    if report.agent == "command" and command:
        words += ["--agent-command", command if isinstance(command, str) else shlex.join(_strings(command))]
    elif report.agent:
        words += ["--agent", report.agent]
    for option, value in (
        ("--main-engine", benchmark.main_engine),
        ("--secondary-engine", benchmark.secondary_engine),
        ("--specialty", benchmark.specialty),
    ):
        if value:
            words += [option, value]
    matrix = benchmark.settings.get("matrix")
    for axis in _strings(matrix) if variant_of(report.nodeid) else ():
        words += ["--matrix", axis]
    if report.iteration > 1:
        words += ["--iter", str(report.iteration)]
    return shlex.join(words)


def _strings(words: object) -> Sequence[str]:
    return [str(word) for word in words] if isinstance(words, (list, tuple)) else [str(words)]
