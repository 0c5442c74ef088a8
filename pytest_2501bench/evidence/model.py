"""Frozen records of one run.

``None`` means *the source did not say*; an empty tuple or string means *it said: nothing*. Scoring depends on the
difference: a rule whose evidence is absent is an error, neither passed nor failed.
Times are Unix seconds (UTC); durations are seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pytest_2501bench.errors import Cause, Phase
from pytest_2501bench.evidence.record import Record as Record  # noqa: PLC0414 - others take it from here
from pytest_2501bench.host_state.model import Change


class CommandKind(StrEnum):
    """By which way a command came to its host."""

    EXEC = "exec"  # ssh HOST COMMAND
    SHELL_LINE = "shell_line"  # typed at a terminal
    SCRIPT_LINE = "script_line"  # a line of what a shell was given as its input: ssh HOST bash -s < FILE
    SFTP = "sftp"  # one operation
    SCP = "scp"  # the old protocol; new ones of scp are sftp
    SUBSYSTEM = "subsystem"


class Trait(StrEnum):
    """What can be seen of a command line besides its text; what is not named may still be so."""

    PIPELINE = "pipeline"
    HEREDOC = "heredoc"
    READS_COMMANDS = "reads_commands"  # a shell that takes its commands from its input; they are lines of their own
    BACKGROUND = "background"  # &, nohup, setsid, at …: goes on unseen when the session is over
    FETCHED_AND_RUN = "fetched_and_run"  # curl … | sh, and the like
    WRITTEN_AND_RUN = "written_and_run"  # runs a file that was uploaded or written before
    DECODED_AND_RUN = "decoded_and_run"  # base64 -d | sh, and the like
    ONWARD = "onward"  # ssh and the like: what happens behind it is not seen


class Transfer(Record):
    """One file that went over SSH."""

    path: str  # on the host
    to_host: bool
    bytes: int | None = None


class Sighting(Record):
    """How the bastion saw a command on its way."""

    kind: CommandKind
    session: str | None = None  # of all commands of one SSH session; the name of its recording without ".cast"
    bytes_in: int | None = None  # to the host; None where a session has several commands
    bytes_out: int | None = None  # from the host, standard output and error together
    files: tuple[Transfer, ...] = ()
    traits: tuple[Trait, ...] = ()


class Command(Record):
    """One command that ran on a host."""

    command: str
    exit_status: int | None = None
    started_at: float | None = None
    duration: float | None = None
    host: str | None = None  # host_name
    seen: Sighting | None = None  # None: not seen on its way, but told


class ResolutionStatus(StrEnum):
    """How a job was resolved (the contract's words; the last one is 0.4's)."""

    SUCCESS = "success"
    PARTIAL = "partial"
    NO_ACTION = "no_action"
    AGENTIC_FAILURE = "agentic_failure"
    HARD_FAILURE = "hard_failure"
    NO_TASKS_CREATED = "no_tasks_created"


class TaskRecord(Record):
    """One agent's work on one host."""

    id: str
    status: str  # the engine's word: queued, in_progress, completed, failed, cancelled …
    agent_id: str | None = None
    agent_name: str | None = None
    host_id: str | None = None
    host_name: str | None = None
    description: str | None = None
    plan: str | None = None
    summary: str | None = None
    executed_commands: tuple[Command, ...] | None = None  # what was seen on the way to the host
    claimed_commands: tuple[Command, ...] | None = None  # what the agent, or an outside engine, says it ran
    recorded: bool | None = None  # False: nobody looked, so executed_commands is the engine's word
    agent_messages: tuple[str, ...] | None = None
    operational_rules: tuple[str, ...] | None = None
    started_at: float | None = None
    finished_at: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class JobRecord(Record):
    """What became of a ticket."""

    id: str
    status: str  # queued, in_progress, completed, failed, cancelled
    finished: bool
    resolution_status: ResolutionStatus | None = None
    resolution_summary: str | None = None
    plan: str | None = None
    tasks: tuple[TaskRecord, ...] | None = None
    main_engine: str | None = None
    secondary_engine: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    cut_off: bool = False  # the engine, or what the agent works with, died while it was at work
    model_unreachable: bool = False  # the agent had no model to work with, which is not its fault


class TicketRecord(Record):
    """The ticket as the ticketing system shows it after the run."""

    id: str
    status: str | None = None
    title: str | None = None
    body: str | None = None
    messages: tuple[str, ...] | None = None  # comments and work notes: target gateway_messages
    summary: str | None = None  # resolution note: target gateway_summary
    comments: tuple[str, ...] | None = None  # those of messages that the requester sees; None: not told apart
    work_notes: tuple[str, ...] | None = None  # those that only who works it sees


class PhaseStatus(StrEnum):
    """How a phase ended."""

    OK = "ok"
    FAILED = "failed"  # the agent's
    ERROR = "error"  # infrastructure
    WARNING = "warning"
    SKIPPED = "skipped"


class PhaseRecord(Record):
    """One phase of the run."""

    name: Phase
    status: PhaseStatus
    started_at: float
    seconds: float
    message: str = ""


class PlaybookStatus(StrEnum):
    """How a playbook ended; only ``task_failed`` can be an agent's failure."""

    OK = "ok"
    TASK_FAILED = "task_failed"
    UNREACHABLE = "unreachable"
    NO_HOSTS = "no_hosts"
    PARSE_ERROR = "parse_error"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    RUNNER_ERROR = "runner_error"


class TaskFailure(Record):
    """The task that decided a failed playbook: what the user sees first."""

    task: str
    host: str
    message: str  # one paragraph; the task's msg, or the command with rc and the end of stderr
    file: str | None = None  # "validate.yml:12", relative to the scenario's folder


class PlaybookTask(Record):
    """One task on one host."""

    task: str
    host: str
    action: str  # module name, e.g. ansible.builtin.command
    status: str  # ok | changed | failed | ignored | skipped | unreachable
    seconds: float | None = None
    command: str | None = None  # the command line, for command/shell/raw/script
    exit_status: int | None = None
    arguments: str | None = None  # "name=nginx state=restarted" for other modules; never for no_log tasks
    message: str | None = None


class PlaybookRecord(Record):
    """One playbook run."""

    name: str  # file name relative to the scenario's folder: prepare.yml
    phase: Phase
    status: PlaybookStatus
    rc: int | None
    started_at: float
    seconds: float
    tasks: tuple[PlaybookTask, ...] = ()
    failure: TaskFailure | None = None
    message: str = ""  # why, when there is no failed task: parser's words, unreachable host …
    log: str | None = None  # relative to the run's folder


class HostRecord(Record):
    """A host that took part."""

    host_id: str
    host_name: str
    template: str | None = None
    address: str | None = None


class AgentRecord(Record):
    """An agent that took part."""

    agent_id: str
    agent_name: str | None = None
    specialty_key: str | None = None
    host_id: str | None = None


class LeftRunning(Record):
    """A process that began on a host while the job ran, is no service, and still ran after it."""

    host: str  # host_name
    pid: int
    kind: str  # open: its login was there; attached: it wrote to a login that was gone; detached: a daemon by hand
    ended: bool  # before validation
    command: str  # its first two words


class HostChanges(Record):
    """What the agent changed on the hosts, for the check ``collateral``; no contents, and no digests of them."""

    changes: tuple[Change, ...] = ()  # since the incident was in, without what undoes it
    undone: int = 0  # how many more: they are as they were before prepare.yml
    omitted: int = 0  # how many more, of which only the number is kept
    notes: tuple[str, ...] = ()
    failed: str = ""  # why nothing is known: a look at the hosts that could not be taken
    seconds: float = 0.0  # that all looks took together


class Recording(Record):
    """One SSH session that can be replayed: an asciicast file, version 2."""

    host: str  # host_name
    file: str  # relative to the run's folder
    started_at: float
    seconds: float
    command: str | None = None  # None: a login shell
    exit_status: int | None = None
    bytes_in: int | None = None  # None: the recording was cut off
    bytes_out: int | None = None


class FailureRecord(Record):
    """What kept the run from an ordinary end. See :data:`pytest_2501bench.errors.TABLE`."""

    cause: Cause
    phase: Phase | None
    message: str


class KeptRecord(Record):
    """The hosts were left up on purpose, in place of the restore phase."""

    sandbox: str  # the provider's name of it
    enter: tuple[str, ...]  # one command per host
    remove: str  # the command that removes the hosts, or puts registered ones back


class RunStarted(Record):
    """The head of a run's evidence."""

    schema_version: int = 1
    run_id: str
    benchmark_id: str
    key: str
    nodeid: str
    iteration: int
    mode: str
    gateway: str
    agent: str | None
    main_engine: str | None = None
    secondary_engine: str | None = None
    specialty: str | None = None
    started_at: float
    scenario: dict[str, Any]  # scenario.json as parsed, so that the run can be re-scored without the folder
    version_key: dict[str, str]  # digests: scenario, validators, rules, template; engine and model names
    has_validate: bool = True  # the scenario has a validate.yml: task validation by playbook, not by outcome rules


class Evidence(Record):
    """All of one run, folded from its JSONL file."""

    run: RunStarted
    hosts: tuple[HostRecord, ...] = ()
    agents: tuple[AgentRecord, ...] = ()
    phases: tuple[PhaseRecord, ...] = ()
    playbooks: tuple[PlaybookRecord, ...] = ()
    ticket: TicketRecord | None = None
    job: JobRecord | None = None
    failure: FailureRecord | None = None
    warnings: tuple[str, ...] = ()
    left_running: tuple[LeftRunning, ...] | None = None  # None: nobody looked
    recordings: tuple[Recording, ...] | None = None  # None: nobody recorded
    host_changes: HostChanges | None = None  # None: nobody looked
    unreached: tuple[str, ...] = ()  # host_names that could not be reached, or were lost, while the job ran
    kept: KeptRecord | None = None
    finished_at: float | None = None

    def playbook(self, name: str, phase: Phase) -> PlaybookRecord | None:
        """Return the last run of playbook *name* in *phase*, or None."""
        found = [p for p in self.playbooks if p.name == name and p.phase == phase]
        return found[-1] if found else None
