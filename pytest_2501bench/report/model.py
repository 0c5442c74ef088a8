"""``Benchmark`` and ``ScenarioReport``: what is stored and shown. Times are Unix seconds (UTC), durations seconds."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pytest_2501bench.errors import Cause, Phase
from pytest_2501bench.evidence.model import KeptRecord, PhaseRecord, Record
from pytest_2501bench.scoring.model import GateResult, Status


class Benchmark(Record):
    """One session: who, when, with what."""

    id: str  # bmk_…
    started_at: float
    finished_at: float | None = None
    user: str
    machine: str
    mode: str
    gateway: str
    agent: str | None = None
    main_engine: str | None = None
    secondary_engine: str | None = None
    specialty: str | None = None
    org_id: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)  # name → value, secrets left out
    versions: dict[str, str] = Field(default_factory=dict)  # plugin, python, pytest, ansible-core …
    git: dict[str, Any] = Field(default_factory=dict)  # commit, branch, dirty


class CheckResult(Record):
    """A further check: ``collateral``, or one that a plugin added."""

    name: str
    status: Status
    reason: str = ""
    required: bool = True  # false: it is shown, and whatever it says fails nothing
    lines: tuple[str, ...] = ()  # what it found, for people


class ScenarioReport(Record):
    """One run with both verdicts."""

    run_id: str  # run_…
    benchmark_id: str
    key: str
    title: str
    tags: tuple[str, ...] = ()
    nodeid: str  # scenarios/nginx/001-broken-config/scenario.json::run1
    iteration: int
    mode: str
    gateway: str
    agent: str | None = None
    main_engine: str | None = None
    secondary_engine: str | None = None
    specialty: str | None = None
    status: Status  # both gates together; error: lost to infrastructure, not scored
    task_validation: GateResult
    compliance: GateResult
    checks: tuple[CheckResult, ...] = ()
    failure_cause: Cause | None = None
    failure_phase: Phase | None = None
    failure_message: str = ""
    phases: tuple[PhaseRecord, ...] = ()
    resolution_status: str | None = None
    task_count: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    started_at: float
    finished_at: float
    version_key: dict[str, str] = Field(default_factory=dict)
    evidence: str = ""  # the run's folder, relative to the bench directory
    warnings: tuple[str, ...] = ()
    kept: KeptRecord | None = None  # the run's hosts are still up, because --keep-sandbox asked for it
    derived_from: str | None = None  # run id: scored again later from that run's evidence; never stored as a run

    @property
    def seconds(self) -> float:
        """Wall time of the run."""
        return self.finished_at - self.started_at

    @property
    def tokens(self) -> int | None:
        """Input and output tokens together; None when the engine did not say."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)
