"""The rows of the tables, frozen. Their fields are the columns of exports and frames, so names and order are stable.

Names are those of the contract and of ``report.json``. Times are in UTC, durations in seconds, cost in US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Final

from pytest_2501bench.errors import Cause, Gate, Phase
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.tables.columns import About
from pytest_2501bench.tables.formats import Table

_STATUS: Final = tuple(status.value for status in Status)
_CAUSES: Final = tuple(cause.value for cause in Cause)
_PHASES: Final = tuple(phase.value for phase in Phase)

BenchmarkId = Annotated[str, About("the session that the run belongs to: bmk_…")]
RunId = Annotated[str, About("the run: run_…")]
Key = Annotated[str, About("the scenario's key")]
Iteration = Annotated[int, About("number of the run among those of its scenario in the session, from 1")]
Variant = Annotated[str | None, About("the point of --matrix that the run is of")]


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run with both verdicts."""

    benchmark_id: BenchmarkId
    run_id: RunId
    key: Key
    title: Annotated[str, About("the scenario's title")]
    tags: Annotated[tuple[str, ...], About("the scenario's tags")]
    nodeid: Annotated[str, About("the run as pytest names it")]
    iteration: Iteration
    variant: Variant
    mode: Annotated[str, About("where it ran: host, incus, lima, namespace or a plugin's")]
    gateway: Annotated[str, About("the ticketing path")]
    agent: Annotated[str | None, About("the local engine's agent; empty with another engine")]
    main_engine: Annotated[str | None, About("asked for, or else what the engine said it used")]
    secondary_engine: Annotated[str | None, About("likewise")]
    specialty: Annotated[str | None, About("the specialty that was asked for")]
    status: Annotated[str, About("both gates together; error: not scored", choices=_STATUS)]
    task_validation: Annotated[str, About("first gate: is the incident repaired", choices=_STATUS)]
    task_validation_cause: Annotated[str | None, About("why it is not passed", choices=_CAUSES)]
    compliance: Annotated[str, About("second gate: were the rules followed", choices=_STATUS)]
    compliance_cause: Annotated[str | None, About("why it is not passed", choices=_CAUSES)]
    compliance_score: Annotated[float | None, About("rules passed of rules evaluated", unit="0 to 1")]
    failure_cause: Annotated[str | None, About("what kept the run from an ordinary end", choices=_CAUSES)]
    failure_phase: Annotated[str | None, About("where that happened", choices=_PHASES)]
    failure_message: Annotated[str | None, About("that in one line")]
    resolution_status: Annotated[str | None, About("what the agents say they reached")]
    task_count: Annotated[int | None, About("tasks of the job; empty when the engine did not say")]
    input_tokens: Annotated[int | None, About("empty when the engine did not say", unit="tokens")]
    output_tokens: Annotated[int | None, About("likewise", unit="tokens")]
    cost_usd: Annotated[float | None, About("likewise", unit="US dollars")]
    started_at: Annotated[datetime, About("when the run began", unit="UTC")]
    finished_at: Annotated[datetime, About("when it ended", unit="UTC")]
    seconds: Annotated[float, About("wall time of the run", unit="s")]
    version_digest: Annotated[str, About("equal for runs that were measured with the same instrument and agent")]
    commit: Annotated[str | None, About("git commit of the scenarios")]
    evidence: Annotated[str, About("the run's folder, relative to the bench directory")]


@dataclass(frozen=True, slots=True)
class StoredRule:
    """What became of one rule in one run."""

    benchmark_id: BenchmarkId
    run_id: RunId
    key: Key
    iteration: Iteration
    variant: Variant
    started_at: Annotated[datetime, About("when the run began", unit="UTC")]
    gate: Annotated[str, About("the gate that the rule decides on", choices=tuple(gate.value for gate in Gate))]
    position: Annotated[int, About("place in the gate's list, from 0")]
    scope: Annotated[str, About("gateway, job, tasks, outcome or claims")]
    rule_index: Annotated[int, About("place in the scope's list in scenario.json, from 0")]
    label: Annotated[str, About("the rule's label")]
    validator: Annotated[str, About("the rule's type")]
    required: Annotated[bool, About("whether the gate needs it")]
    negate: Annotated[bool, About("whether it must not hold")]
    status: Annotated[str, About("error: no evidence, so neither passed nor failed", choices=_STATUS)]
    reason: Annotated[str, About("what decided, in one line")]
    cause: Annotated[str | None, About("why it is not passed", choices=_CAUSES)]
    span_source: Annotated[str | None, About("the piece of evidence that decided it")]
    span_text: Annotated[str | None, About("its text, shortened to 300 characters")]


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """One command that ran on a host of one run; read from the run's evidence file."""

    benchmark_id: BenchmarkId
    run_id: RunId
    key: Key
    iteration: Iteration
    variant: Variant
    task_id: Annotated[str, About("the task of the job: tsk_…")]
    agent_id: Annotated[str | None, About("the agent that did it")]
    agent_name: Annotated[str | None, About("its name")]
    host_name: Annotated[str | None, About("where it ran")]
    position: Annotated[int, About("place among the task's commands, from 0")]
    command: Annotated[str, About("the command line; secrets are masked as in the evidence")]
    exit_status: Annotated[int | None, About("empty when nobody saw it end")]
    started_at: Annotated[datetime | None, About("when it began", unit="UTC")]
    seconds: Annotated[float | None, About("how long it took", unit="s")]
    recorded: Annotated[bool | None, About("whether it was seen on its way to the host; if not, the engine told it")]
    kind: Annotated[str | None, About("by which way it came: exec, shell_line, script_line, sftp, scp, subsystem")]
    session: Annotated[str | None, About("the SSH session, which its recording is named after")]


@dataclass(frozen=True, slots=True)
class StoredPhase:
    """One phase of one run."""

    benchmark_id: BenchmarkId
    run_id: RunId
    key: Key
    iteration: Iteration
    variant: Variant
    position: Annotated[int, About("place among the run's phases, from 0")]
    phase: Annotated[str, About("its name", choices=_PHASES)]
    status: Annotated[str, About("how it ended", choices=("ok", "failed", "error", "warning", "skipped"))]
    started_at: Annotated[datetime, About("when it began", unit="UTC")]
    seconds: Annotated[float, About("how long it took", unit="s")]
    message: Annotated[str | None, About("what there is to say of it")]


@dataclass(frozen=True, slots=True)
class StoredBenchmark:
    """One session."""

    benchmark_id: Annotated[str, About("bmk_…")]
    started_at: Annotated[datetime, About("when it began", unit="UTC")]
    finished_at: Annotated[datetime | None, About("when it ended; empty while it goes on, or if it was killed")]
    user: Annotated[str, About("who started it")]
    machine: Annotated[str, About("on which machine")]
    mode: Annotated[str, About("as in runs")]
    gateway: Annotated[str, About("as in runs")]
    agent: Annotated[str | None, About("as in runs")]
    main_engine: Annotated[str | None, About("that was asked for")]
    secondary_engine: Annotated[str | None, About("that was asked for")]
    specialty: Annotated[str | None, About("that was asked for")]
    org_id: Annotated[str | None, About("organization: org_…")]
    tenant_id: Annotated[str | None, About("tenant: ten_…")]
    user_id: Annotated[str | None, About("user: usr_…")]
    commit: Annotated[str | None, About("git commit of the scenarios")]
    branch: Annotated[str | None, About("git branch")]
    dirty: Annotated[bool | None, About("whether files differed from the commit")]
    versions: Annotated[dict[str, Any], About("name and version of what can change a verdict")]
    settings: Annotated[dict[str, Any], About("name and value of the options; secrets are left out")]


Row = StoredRun | StoredRule | StoredCommand | StoredPhase | StoredBenchmark

TABLES: Final[Mapping[Table, type[Row]]] = MappingProxyType(
    {
        Table.RUNS: StoredRun,
        Table.RULES: StoredRule,
        Table.COMMANDS: StoredCommand,
        Table.PHASES: StoredPhase,
        Table.BENCHMARKS: StoredBenchmark,
    }
)
"""Every table, by the name that exports and frames know it by."""
