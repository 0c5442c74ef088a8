"""``scenario.json`` as frozen models: the contract's fields in the contract's words, ours under ``bench``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from pytest_2501bench.evidence.model import ResolutionStatus

NonEmpty = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Part(BaseModel):
    """Frozen; unknown fields are refused, because a mistyped rule would be a check that cannot fail."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Where(StrEnum):
    """What a pattern is matched against."""

    EXECUTED_COMMANDS = "executed_commands"
    CLAIMED_COMMANDS = "claimed_commands"
    TASK_SUMMARY = "task_summary"
    TASK_DESCRIPTION = "task_description"
    TASK_PLAN = "task_plan"
    AGENT_MESSAGES = "agent_messages"
    JOB_RESOLUTION = "job_resolution"
    JOB_PLAN = "job_plan"
    GATEWAY_MESSAGES = "gateway_messages"
    GATEWAY_SUMMARY = "gateway_summary"
    OPERATIONAL_RULES = "operational_rules"


class Scope(StrEnum):
    """Which record a rule looks at. ``outcome`` is ours: the output-based gate for investigation tickets."""

    GATEWAY = "gateway"
    JOB = "job"
    TASKS = "tasks"
    OUTCOME = "outcome"


class RuleFields(Part):
    """What every rule has."""

    label: NonEmpty = Field(description="Shown in reports.")
    required: bool = Field(True, description="false: counts towards the compliance score, but does not block.")
    negate: bool = Field(False, description="Inverts the rule's result; under `tasks`: no task may match.")


class PatternMatch(RuleFields):
    """A regular expression, case-insensitive, over one target."""

    validator: Literal["pattern_match"]
    # Not stripped: a blank is part of the pattern.
    pattern: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="A regular expression, without regard to case; ^ and $ match at every line."
    )
    where: Where = Field(description="The text that the pattern must match.")


class JobResolutionStatus(RuleFields):
    """The job's resolution status; lets a ticket be expected to fail."""

    validator: Literal["job_resolution_status"]
    pattern: ResolutionStatus = Field(description="The expected status.")


class TicketStatus(RuleFields):
    """The ticket's status in the ticketing system, compared without regard to case."""

    validator: Literal["ticket_status"]
    pattern: NonEmpty = Field(description="The expected status, in the ticketing system's words.")


class TaskCount(RuleFields):
    """How many tasks the job needed: `count` exactly, or from `min` to `max`."""

    validator: Literal["task_count"]
    count: Annotated[int, Field(ge=0, le=5)] | None = Field(None, description="Exactly as many tasks.")
    min: Annotated[int, Field(ge=0, le=5)] | None = Field(None, description="At least as many tasks.")
    max: Annotated[int, Field(ge=0, le=5)] | None = Field(None, description="At most as many tasks.")


class CustomRule(RuleFields):
    """A rule type of another plugin (hook ``pytest_2501bench_validators``); its own fields are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow")
    validator: str


BUILT_IN_RULES: Mapping[str, type[RuleFields]] = MappingProxyType(
    {
        "pattern_match": PatternMatch,
        "job_resolution_status": JobResolutionStatus,
        "ticket_status": TicketStatus,
        "task_count": TaskCount,
    }
)


def _rule_type(rule: Any) -> str | None:
    name = rule.get("validator") if isinstance(rule, dict) else getattr(rule, "validator", None)
    if not isinstance(name, str):
        return None
    return name if name in BUILT_IN_RULES else "custom"


# By the name in `validator`, never by trial: else CustomRule would swallow a mistyped built-in rule, and one mistake
# would be reported once per rule type.
Rule = Annotated[
    Annotated[PatternMatch, Tag("pattern_match")]
    | Annotated[JobResolutionStatus, Tag("job_resolution_status")]
    | Annotated[TicketStatus, Tag("ticket_status")]
    | Annotated[TaskCount, Tag("task_count")]
    | Annotated[CustomRule, Tag("custom")],
    Discriminator(_rule_type),
]


class ScenarioHost(Part):
    """A registered host (`host_id`, host mode) or a fresh one (`host_name` + `template`, VM modes), or both forms."""

    host_id: NonEmpty | None = Field(None, description="Id of a registered host (host mode).")
    host_name: HostName | None = Field(None, description="The host's name in the Ansible inventory.")
    template: NonEmpty | None = Field(None, description="What a fresh host is made from; debian-base if left out.")


class ScenarioAgent(Part):
    """An existing agent (`agent_id`, host mode) or one created for the run (VM modes), or both forms."""

    agent_id: NonEmpty | None = Field(None, description="Id of an existing agent (host mode).")
    agent_name: NonEmpty | None = Field(None, description="Name of the agent that is made for the run.")
    host_id: NonEmpty | None = Field(None, description="The host that it works on, by id …")
    host_name: HostName | None = Field(None, description="… or by name; needed when there are several hosts.")
    specialty_key: NonEmpty | None = Field(None, description="Its specialty, for example SERVICES_MANAGER.")


class Validation(Part):
    """Compliance rules by scope, and the fail-fast guards."""

    gateway: tuple[Rule, ...] = Field((), description="Rules on the ticket in the ticketing system.")
    job: tuple[Rule, ...] = Field((), description="Rules on the job.")
    tasks: tuple[Rule, ...] = Field((), description="Rules on the tasks: at least one task must match.")
    allowed_agents: tuple[NonEmpty, ...] | None = Field(
        None, alias="allowedAgents", description="A job that involves another agent is stopped at once."
    )
    allowed_hosts: tuple[NonEmpty, ...] | None = Field(
        None, alias="allowedHosts", description="A job that involves another host is stopped at once."
    )

    def rules(self) -> Iterator[tuple[Scope, int, Rule]]:
        """Yield (scope, index in its list, rule), in the order of evaluation."""
        for scope, rules in ((Scope.GATEWAY, self.gateway), (Scope.JOB, self.job), (Scope.TASKS, self.tasks)):
            for index, rule in enumerate(rules):
                yield scope, index, rule


class Timeouts(Part):
    """Deadlines per phase, in seconds. ``execute`` is the job's deadline."""

    provision: Seconds = Field(300, description="Until the hosts answer SSH.")
    prepare: Seconds = Field(300, description="For prepare.yml.")
    execute: Seconds = Field(900, description="From the ticket to the end of its job.")
    validate_: Seconds = Field(120, alias="validate", description="For validate.yml.")
    restore: Seconds = Field(120, description="For restore.yml.")
    pattern: Seconds = Field(2, description="The longest that one pattern may take on one target.")


class ClaimsMatch(Part):
    """The check that the commands which the agent claims are those that were seen."""

    complete: bool = Field(False, description="Nothing that was seen may be missing from the claims.")
    required: bool = Field(True, description="false: counts towards the compliance score, but does not block.")
    label: NonEmpty = Field("Claims match observations", description="Shown in reports.")


class Lint(Part):
    """What ``2501bench validate`` need not say of this scenario."""

    ignore: dict[NonEmpty, NonEmpty] = Field(
        default_factory=dict, description="Findings that are meant: code, such as SC305, and the reason."
    )


class Severity(StrEnum):
    """How much a broken command rule weighs. ``catastrophic``: it fails both gates."""

    NORMAL = "normal"
    CATASTROPHIC = "catastrophic"


CommandPattern = Annotated[str, StringConstraints(min_length=1)]


class CommandRule(Part):
    """What every rule under ``bench.rules`` has: it looks at single commands, as the shell would run them.

    A command pattern is a regular expression, with regard to case, that must match from the start of one simple
    command: the program without its folder, then its words without quotes, one blank between them, then redirections
    as ``>/path``. What stands in front (sudo, env, VAR=…, nohup, timeout) is left out; pipelines, lists, substitutions,
    ``sh -c '…'`` and ``xargs``/``find -exec`` are taken apart. Words of a quoted text are never a command.
    """

    label: NonEmpty = Field(description="Shown in reports.")
    required: bool = Field(True, description="false: counts towards the compliance score, but does not block.")
    severity: Severity = Field(Severity.NORMAL, description="catastrophic: when broken, both gates fail.")
    policy: NonEmpty | None = Field(None, description="The policy that the rule comes from, for example `look-first`.")
    hosts: tuple[HostName, ...] = Field((), description="Only commands on these hosts; all hosts if left out.")


class CommandCount(CommandRule):
    """How often a command may run: at least `min`, at most `max` times; `max: 0` forbids it."""

    validator: Literal["command_count"]
    commands: tuple[CommandPattern, ...] = Field(min_length=1, description="Commands that count: any of these.")
    unless: tuple[CommandPattern, ...] = Field((), description="Commands that do not count after all.")
    exit_status: Literal["zero", "nonzero"] | int | None = Field(
        None, description="Count only lines that ended so: `zero`, `nonzero` or a number."
    )
    min: Annotated[int, Field(ge=0)] | None = Field(None, description="At least; 1 if neither is given.")
    max: Annotated[int, Field(ge=0)] | None = Field(None, description="At most; 0 forbids.")


class CommandOrder(CommandRule):
    """Each of `commands` must come after (or before) another command on the same host."""

    validator: Literal["command_order"]
    commands: tuple[CommandPattern, ...] = Field(min_length=1, description="The commands that the rule is about.")
    unless: tuple[CommandPattern, ...] = Field((), description="Commands that it is not about after all.")
    after: tuple[CommandPattern, ...] = Field((), description="One of these must have come before each of them.")
    before: tuple[CommandPattern, ...] = Field((), description="One of these must follow the last of them.")
    exit_status: Literal["zero", "zero_or_unknown", "nonzero"] | int | None = Field(
        None,
        description="How the command of `after` or `before` must have ended; `zero_or_unknown`: it is not known to "
        "have failed.",
    )
    forget: tuple[CommandPattern, ...] = Field(
        (),
        description="With `after`: what came before one of these no longer counts, such as a change of the file.",
    )
    when_absent: Literal["pass", "fail"] = Field("pass", description="If none of `commands` ran at all.")


class CommandAllowList(CommandRule):
    """Nothing but listed commands may run."""

    validator: Literal["command_allow_list"]
    commands: tuple[CommandPattern, ...] = Field((), description="Commands that may run.")
    read_only: bool = Field(False, description="Allow commands that only look: ls, cat, grep, ps, systemctl status …")


class NoHiddenCommands(CommandRule):
    """Nothing runs that cannot be read: no decoded, fetched or uploaded scripts, no onward login."""

    validator: Literal["no_hidden_commands"]


COMMAND_RULES: Mapping[str, type[CommandRule]] = MappingProxyType(
    {
        "command_count": CommandCount,
        "command_order": CommandOrder,
        "command_allow_list": CommandAllowList,
        "no_hidden_commands": NoHiddenCommands,
    }
)

AnyCommandRule = Annotated[
    CommandCount | CommandOrder | CommandAllowList | NoHiddenCommands, Field(discriminator="validator")
]


class Kind(StrEnum):
    """What a scenario asks for. ``control``: nothing is wrong; ``refusal``: policy forbids what is asked for."""

    REMEDIATION = "remediation"
    INVESTIGATION = "investigation"
    CONTROL = "control"
    REFUSAL = "refusal"


class Difficulty(StrEnum):
    """How hard: the cause is named by the first message, needs a few steps, or hides behind red herrings."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class BlastRadius(StrEnum):
    """What a wrong fix would take down."""

    PROCESS = "process"
    SERVICE = "service"
    HOST = "host"
    FLEET = "fleet"


class Source(Part):
    """Where the incident, or its remedy, is described in public."""

    title: NonEmpty = Field(description="For example `systemd.exec(5)`, or a post-mortem's title.")
    url: Annotated[str, StringConstraints(pattern=r"^https://\S+$")] | None = Field(None, description="Its address.")


class Cheat(Part):
    """A tempting wrong fix, or the right one by forbidden means: what must go red when `cheat-NAME.yml` is played."""

    fails: Literal["task_validation", "compliance", "both", "collateral"] = Field(
        description="The gate that must be red; the other must be green. `collateral`: both green, the third check red."
    )
    rules: tuple[NonEmpty, ...] = Field(
        (), description="Labels of rules, or names of policies, that must be among the broken ones."
    )
    why: NonEmpty = Field(description="What is wrong with it, in one sentence; shown by `2501bench explain`.")


class Collateral(Part):
    """The third check: nothing changed on the hosts beyond what the fix needs."""

    required: bool = Field(True, description="false: shown, but never red.")
    roots: tuple[Annotated[str, StringConstraints(pattern=r"^/")], ...] = Field(
        ("/etc", "/usr/local", "/opt", "/srv", "/root", "/home"), description="Folders whose files are compared."
    )


AllowedChange = Annotated[
    str,
    StringConstraints(pattern=r"^(package|unit|listener|user|group|mount|cron|file|firewall|sysctl):.+$"),
]


class Bench(Part):
    """Our additions; a vendor's runner ignores this object."""

    timeouts: Timeouts = Field(default_factory=Timeouts, description="Deadlines per phase, in seconds.")
    hold_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        0, description="How long the fix must hold before validation."
    )
    packages: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")], ...] = Field(
        (), description="Debian packages installed on every host, from a cached layer, before the run."
    )
    host_packages: dict[HostName, tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")], ...]] = (
        Field(default_factory=dict, description="Further packages by host_name.")
    )
    requires: tuple[NonEmpty, ...] = Field(
        (), description="Capabilities that a mode must have; else the scenario is skipped with the reason."
    )
    outcome: tuple[Rule, ...] = Field(
        (), description="Rules on the agent's report: task validation for pure investigation tickets."
    )
    claims_match: ClaimsMatch | None = Field(
        None, description="Compliance: each command that the agent claims was seen on that host."
    )
    depends_on: tuple[NonEmpty, ...] = Field(
        (),
        description="Files outside the folder that decide something here (shared roles, rules, specialties), relative "
        "to it; * and ** are allowed. For --changed-since.",
    )
    lint: Lint = Field(default_factory=Lint, description="Findings of `2501bench validate` that are meant.")
    rules: tuple[AnyCommandRule, ...] = Field((), description="Compliance: rules on single, parsed commands.")
    policies: tuple[NonEmpty, ...] = Field(
        (), description="Compliance: ready-made rules on commands, by name, for example `no-reboot`."
    )
    cheats: dict[NonEmpty, Cheat] = Field(
        default_factory=dict, description="For --selfcheck: what each `cheat-NAME.yml` must break, by its NAME."
    )
    collateral: Collateral | None = Field(None, description="The third check: what else changed on the hosts.")
    allowed_changes: tuple[AllowedChange, ...] = Field(
        (), description="What a fix may change, as KIND:GLOB, for example `file:/etc/nginx/*`; for `collateral`."
    )
    kind: Kind = Field(Kind.REMEDIATION, description="What is asked for; `control`: nothing is wrong.")
    difficulty: Difficulty | None = Field(None, description="easy, medium or hard.")
    skills: tuple[NonEmpty, ...] = Field((), description="What one must know, for example `systemd`, `tls`.")
    blast_radius: BlastRadius | None = Field(None, description="What a wrong fix would take down.")
    expected_minutes: Annotated[float, Field(gt=0, le=1440)] | None = Field(
        None, description="What a person on call needs for it."
    )
    sources: tuple[Source, ...] = Field((), description="Where the incident or its remedy is described in public.")


class Scenario(Part):
    """One ``scenario.json``."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=200)] = Field(
        description="Unique among all scenarios; how a scenario is selected and reported."
    )
    title: NonEmpty = Field(description="Shown in reports.")
    description: NonEmpty = Field(description="An internal note; never sent to the agent.")
    ticket_title: NonEmpty = Field(description="The ticket's title.")
    ticket_body: NonEmpty = Field(description="What the agent is told: symptoms, not solutions.")
    tags: tuple[NonEmpty, ...] = Field((), description="Words that a scenario can be selected by.")
    hosts: tuple[ScenarioHost, ...] = Field((), description="The hosts; one debian-base host-01 if left out.")
    agents: tuple[ScenarioAgent, ...] = Field((), description="The agents; one per host if left out.")
    validation: Validation = Field(default_factory=Validation, description="Compliance: was the process followed?")
    bench: Bench = Field(default_factory=Bench, description="What pytest-2501bench adds; other runners ignore it.")


class LoadedScenario(BaseModel):
    """A scenario with its folder and the digests of what decides its verdicts."""

    model_config = ConfigDict(frozen=True)

    scenario: Scenario
    directory: Path
    migrated: bool = False  # read from the 0.3 form
    digests: dict[str, str] = Field(default_factory=dict)  # scenario, validators, rules: first 16 hex of SHA-256

    def playbook(self, name: Literal["prepare", "validate", "restore", "solve"]) -> Path | None:
        """Return ``<name>.yml`` (or ``.yaml``) of the scenario's folder, or None."""
        for suffix in (".yml", ".yaml"):
            path = self.directory / (name + suffix)
            if path.is_file():
                return path
        return None

    def repairs(self, kind: Literal["cheat", "alt"]) -> dict[str, Path]:
        """Return the playbooks ``KIND-NAME.yml`` of the scenario's folder, by NAME, in order of their names."""
        found = {}
        for path in sorted(self.directory.glob(f"{kind}-*.y*ml")):
            if path.suffix in (".yml", ".yaml") and path.is_file():
                found[path.stem.removeprefix(f"{kind}-")] = path
        return found

    def playbooks(self) -> list[Path]:
        """Return every playbook that something plays: prepare, validate, restore, solve, cheats, alternatives."""
        named = [self.playbook(name) for name in ("prepare", "validate", "restore", "solve")]
        return [path for path in (*named, *self.repairs("cheat").values(), *self.repairs("alt").values()) if path]

    @property
    def inventory(self) -> Path | None:
        """The scenario's own inventory, or None."""
        for name in ("inventory.ini", "inventory.yml", "inventory.yaml"):
            if (self.directory / name).is_file():
                return self.directory / name
        return None
