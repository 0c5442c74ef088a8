"""The audit document, as frozen models. Times are Unix seconds (UTC), durations seconds, digests sha256 in hex."""

from __future__ import annotations

from pydantic import Field

from pytest_2501bench.evidence.model import (
    AgentRecord,
    CommandKind,
    FailureRecord,
    HostRecord,
    LeftRunning,
    Record,
    Trait,
)
from pytest_2501bench.report.model import Benchmark
from pytest_2501bench.scoring.model import RuleResult, Status

FORMAT = "pytest-2501bench/audit/v1"


class Link(Record):
    """One piece of evidence in the chain: an event of ``evidence.jsonl``, or a file."""

    file: str  # relative to its folder
    event: int | None = None  # line of evidence.jsonl, from 1; None: the whole file
    kind: str = "file"  # file, event, link (its target counts), other (a socket, a device …: only that it is there)
    size: int
    sha256: str
    blocks: str | None = None  # digests of a file's blocks: where it changed, not that it did


class Chain(Record):
    """All links of one folder, in order, and what they come to."""

    name: str  # what the chain begins with: the id of the run or benchmark
    links: tuple[Link, ...]
    root: str


class Action(Record):
    """One command."""

    source: str  # tasks[0].executed_commands[3]
    host: str | None
    command: str
    exit_status: int | None
    started_at: float | None
    duration: float | None
    seen: bool  # on its way to the host, by the bastion; False: the engine's word
    kind: CommandKind | None = None
    session: str | None = None
    traits: tuple[Trait, ...] = ()


class MovedFile(Record):
    """One file that went over SSH."""

    source: str  # tasks[0].executed_commands[3]
    host: str | None
    path: str
    to_host: bool
    bytes: int | None
    at: float | None


class Work(Record):
    """One task of one agent: what it was told, and what it says."""

    id: str
    agent: str | None
    host: str | None
    status: str
    recorded: bool | None  # False: nobody looked, so the actions are the engine's word
    injected_rules: tuple[str, ...] | None  # None: the engine did not say
    actions: int | None  # how many; None: there is no record of any
    summary: str | None
    claims: tuple[Action, ...] | None  # commands that the agent, or its engine, says it ran


class RuleAccount(Record):
    """One operational rule, whether it was followed, and what decided."""

    gate: str
    result: RuleResult
    pattern: str | None  # as in the scenario of then
    where: str | None
    forbids: bool = False  # avoided or found, and not followed or broken
    looked_at: int | None  # commands, messages … that the pattern was held against; None: not a pattern, no evidence


class GateAccount(Record):
    """One verdict."""

    gate: str
    status: Status
    reason: str
    cause: str | None
    score: float | None


class PlaybookAccount(Record):
    """One playbook that the harness played."""

    name: str
    phase: str
    status: str
    started_at: float
    seconds: float
    failed_task: str | None
    log: str | None


class RunAccount(Record):
    """One run."""

    run_id: str
    benchmark_id: str
    folder: str  # relative to the bench directory
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
    started_at: float
    finished_at: float
    version_key: dict[str, str]
    ticket: str | None
    resolution: str | None
    status: Status
    gates: tuple[GateAccount, ...]
    failure: FailureRecord | None
    hosts: tuple[HostRecord, ...]
    agents: tuple[AgentRecord, ...]
    work: tuple[Work, ...] | None  # None: the engine gave no tasks
    actions: tuple[Action, ...]
    files: tuple[MovedFile, ...]
    rules: tuple[RuleAccount, ...]
    playbooks: tuple[PlaybookAccount, ...]
    left_running: tuple[LeftRunning, ...] | None
    unreached: tuple[str, ...]
    warnings: tuple[str, ...]
    written_as_chain: bool  # each event holds the digest of the one before it, and all of them are right
    doubts: tuple[str, ...]  # what the evidence cannot tell
    contradictions: tuple[str, ...]  # what does not fit together
    stored_alike: bool  # the database had the same report when the document was made
    chain: Chain

    @property
    def faults(self) -> tuple[str, ...]:
        """What does not fit together, the database included."""
        return (*self.contradictions, *(() if self.stored_alike else ("the database has another report of this run",)))

    @property
    def forbidden(self) -> tuple[RuleAccount, ...]:
        """What must not be found, and was looked for."""
        return tuple(rule for rule in self.rules if rule.forbids)

    @property
    def demanded(self) -> tuple[RuleAccount, ...]:
        """What must be found."""
        return tuple(rule for rule in self.rules if not rule.forbids)


class BenchmarkAccount(Record):
    """One session and those of its runs that are in the document."""

    benchmark: Benchmark
    whole: bool  # everything in its folder is in the document: one more run is an added one
    files: Chain
    runs: tuple[RunAccount, ...]
    root: str  # over the chain of its own files and the roots of its runs


class Maker(Record):
    """Who made the document."""

    user: str
    machine: str
    versions: dict[str, str]


class Audit(Record):
    """The document."""

    format: str = FORMAT
    made_at: float
    made_by: Maker
    asked_for: tuple[str, ...]  # the words on the command line
    benchmarks: tuple[BenchmarkAccount, ...] = Field(min_length=1)
    root: str  # over the benchmarks' roots

    @property
    def runs(self) -> tuple[RunAccount, ...]:
        """All runs, benchmark by benchmark."""
        return tuple(run for benchmark in self.benchmarks for run in benchmark.runs)
