"""Do an agent's claims match what was seen? The check that ``bench.claims_match`` asks for.

Commands are compared host by host, after *normalisation*: words in place of blanks and quotes, without sudo or ``env``
in front, and the text of ``sh -c '…'`` in place of the call. A claim is met by a whole command, and by one simple
command of a longer line. How often and in which order does not matter.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache

from pytest_2501bench.errors import Cause
from pytest_2501bench.evidence.model import Command, CommandKind, Evidence, JobRecord, TaskRecord, Trait
from pytest_2501bench.scenario.model import ClaimsMatch
from pytest_2501bench.scoring.model import Finding, RuleResult, Span, Status
from pytest_2501bench.shell.words import inline_script, simple_commands
from pytest_2501bench.shell.wrappers import unwrapped

VALIDATOR = "claims_match_observations"
SCOPE = "claims"

Words = tuple[str, ...]

_TEXT_KINDS = frozenset({CommandKind.EXEC, CommandKind.SHELL_LINE, CommandKind.SCRIPT_LINE})
_SPAN_LENGTH = 300


def evaluate_claims(rule: ClaimsMatch, evidence: Evidence) -> RuleResult:
    """Return what became of *rule*; without a verdict where claims or observations are absent."""
    finding = _finding(rule, evidence.job)
    cause = None
    if finding.holds is None:
        status, cause = Status.ERROR, Cause.EVIDENCE_MISSING
    elif finding.holds:
        status = Status.PASSED
    else:
        status, cause = Status.FAILED, Cause.RULE_NOT_MET
    return RuleResult(
        scope=SCOPE,
        index=0,
        label=rule.label,
        validator=VALIDATOR,
        required=rule.required,
        negate=False,
        status=status,
        reason=finding.reason,
        cause=cause,
        span=finding.span,
    )


def _finding(rule: ClaimsMatch, job: JobRecord | None) -> Finding:
    tasks = job.tasks if job is not None else None
    if not tasks:
        why = "there is no job" if job is None else "there are no tasks" if tasks == () else "the engine gave no tasks"
        return Finding(holds=None, reason=f"no evidence: {why}")
    absent = [why for index, task in enumerate(tasks, 1) for why in _absent(task, index)]
    hosts = _hosts(tasks)
    for host in hosts.values():
        for source, command in host.claims:
            if host.recorded and not _met(command, host.seen):
                return _no(f"claimed for {host.name}, but not seen there", source, command)
        for source, command in host.seen if rule.complete else ():
            if host.claimed and _wants_telling(command) and not _told(command, host.claims):
                return _no(f"seen on {host.name}, but not claimed", source, command)
    if absent:
        return Finding(holds=None, reason=f"no evidence: {'; '.join(absent)}")
    count = sum(len(host.claims) for host in hosts.values())
    words = "the one claimed command was" if count == 1 else f"all {count} claimed commands were"
    return Finding(holds=True, reason=f"{words} seen{', and none is missing' if rule.complete else ''}")


def _absent(task: TaskRecord, number: int) -> Iterator[str]:
    if task.executed_commands is None or task.recorded is False:
        yield f"nobody recorded what ran in task {number}"
    if task.claimed_commands is None:
        yield f"the agent claimed nothing in task {number}"


@dataclass(slots=True)
class _Host:
    """All that is known of one host. *recorded*, *claimed*: by each of its tasks, so that nothing is missing."""

    name: str
    recorded: bool = True
    claimed: bool = True
    seen: list[tuple[str, Command]] = field(default_factory=list)
    claims: list[tuple[str, Command]] = field(default_factory=list)


def _hosts(tasks: Sequence[TaskRecord]) -> dict[str, _Host]:
    hosts: dict[str, _Host] = {}

    def of(name: str) -> _Host:
        return hosts.setdefault(name, _Host(name))

    for index, task in enumerate(tasks):
        own = task.host_name or task.host_id or f"the host of task {index + 1}"
        of(own).recorded &= task.executed_commands is not None and task.recorded is not False
        of(own).claimed &= task.claimed_commands is not None
        for number, command in enumerate(task.executed_commands or ()):
            of(command.host or own).seen.append((f"tasks[{index}].executed_commands[{number}]", command))
        for number, command in enumerate(task.claimed_commands or ()):
            of(command.host or own).claims.append((f"tasks[{index}].claimed_commands[{number}]", command))
    return hosts


def _no(why: str, source: str, command: Command) -> Finding:
    return Finding(holds=False, reason=why, span=Span(source=source, text=command.command[:_SPAN_LENGTH]))


def _met(claim: Command, seen: Sequence[tuple[str, Command]]) -> bool:
    known: set[Words] = set()
    for _, command in seen:
        known |= {_whole(command.command), *_parts(command.command)}
    return _whole(claim.command) in known or _all_in(_parts(claim.command), known)


def _told(command: Command, claims: Sequence[tuple[str, Command]]) -> bool:
    known: set[Words] = set()
    for _, claim in claims:
        known |= {_whole(claim.command), *_parts(claim.command)}
    return _whole(command.command) in known or _all_in(_parts(command.command), known)


def _wants_telling(command: Command) -> bool:
    """Leave out what is no command of its own: files that were copied, the shell that the claimed lines went to."""
    seen = command.seen
    return seen is None or (seen.kind in _TEXT_KINDS and Trait.READS_COMMANDS not in seen.traits)


def _all_in(parts: Sequence[Words], known: Set[Words]) -> bool:
    return bool(parts) and all(part in known for part in parts)


@lru_cache(maxsize=4096)
def _whole(text: str) -> Words:
    """Return the words of the whole line, operators and redirections included."""
    try:
        words = unwrapped(shlex.split(text))
    except ValueError:  # an apostrophe in a heredoc, say
        words = text.split()
    script = inline_script(words)
    return tuple(words) if script is None or script == text else _whole(script)


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[Words, ...]:
    """Return the words of each simple command and where its output goes; what only holds others is left out."""
    parts = simple_commands(text)
    return tuple(
        (*part.bare, *(f">{file}" for file in part.targets))
        for part in parts
        if part.bare and inline_script(part.words) is None
    )
