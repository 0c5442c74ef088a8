r"""What a rule looks at: the text of a target, and which piece of evidence each character came from.

Lists become one text with an entry per line; an entry that has lines of its own keeps them. ``job_resolution`` is the
resolution summary; the status has a validator of its own. A target is *absent* when its source did not say, which is
not the same as an empty text.

A rule looks at as many targets as its scope has records:

- under ``tasks``, a task's target (``executed_commands``, ``claimed_commands``, ``task_*``, ``agent_messages``,
  ``operational_rules``) is looked at in each task, and a target of the job or ticket once: it is the same for each;
- under every other scope, a task's target is the text of all tasks together, joined in order, and absent as soon as one
  task's part is: ``\A\Z`` or a match across two tasks would hold for a text with a hole, and not for the whole.

A job without tasks thus has nothing to look at under ``tasks``, and an empty text elsewhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pytest_2501bench.evidence.model import Command, Evidence, JobRecord, TaskRecord, TicketRecord
from pytest_2501bench.scenario.model import Scope, Where

Pieces = Sequence[tuple[str, str]]
"""Pairs of source and text."""


@dataclass(frozen=True, slots=True)
class Target:
    """One text to look at.

    Attributes:
        place: what it belongs to, for people: ``task 1``; empty when there is only one such text.
        text: None when it is absent.
        starts: offset in *text* where each source begins.
        sources: ``tasks[0].executed_commands[3]`` …, parallel to *starts*.
        absent: what the sources did not say, one phrase each; empty when there is a text.
    """

    place: str
    text: str | None
    starts: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def source_at(self, offset: int) -> str:
        """Return the source of the character at *offset*; a line break belongs to the piece before it."""
        return self.sources[max(bisect_right(self.starts, offset) - 1, 0)]


def targets(where: Where, scope: Scope, evidence: Evidence) -> tuple[Target, ...]:
    """Return everything that a rule on *where* in *scope* looks at, in order."""
    if where in TICKET_TARGETS:
        if evidence.ticket is None:
            return (_absent("the ticket was not read"),)
        return (_target(_OF_TICKET[where](evidence.ticket), f"the ticketing system gave no {where}"),)
    job = evidence.job
    if job is None:
        return (_absent("there is no job"),)
    if where in JOB_TARGETS:
        return (_target(_OF_JOB[where](job), f"the engine gave no {where}"),)
    if job.tasks is None:
        return (_absent("the engine gave no tasks"),)
    seen = tuple(_of_task(where, index, task) for index, task in enumerate(job.tasks))
    return seen if scope is Scope.TASKS else (_together(seen),)


def _absent(why: str, place: str = "") -> Target:
    return Target(place, None, absent=(why,))


def _target(pieces: Pieces | None, missing: str, place: str = "") -> Target:
    return _absent(missing, place) if pieces is None else _joined(pieces, place)


def _joined(pieces: Pieces, place: str = "") -> Target:
    starts, offset = [], 0
    for _, text in pieces:
        starts.append(offset)
        offset += len(text) + 1
    text = "\n".join(text for _, text in pieces)
    return Target(place, text, tuple(starts), tuple(source for source, _ in pieces))


def _of_task(where: Where, index: int, task: TaskRecord) -> Target:
    place = f"task {index + 1}"
    return _target(_OF_TASK[where](task, f"tasks[{index}]"), f"the engine gave no {where} of {place}", place)


def _together(seen: Sequence[Target]) -> Target:
    if absent := tuple(why for target in seen for why in target.absent):
        return Target("", None, absent=absent)
    return _joined([piece for target in seen for piece in _pieces(target)] or [("tasks", "")])


def _pieces(target: Target) -> Iterable[tuple[str, str]]:
    text = target.text or ""
    ends = [*(start - 1 for start in target.starts[1:]), len(text)]
    return ((source, text[start:end]) for source, start, end in zip(target.sources, target.starts, ends, strict=True))


def _list(name: str, texts: Iterable[str] | None) -> Pieces | None:
    if texts is None:
        return None
    return [(f"{name}[{index}]", text) for index, text in enumerate(texts)] or [(name, "")]


def _text(name: str, text: str | None) -> Pieces | None:
    return None if text is None else [(name, text)]


def _commands(name: str, commands: Sequence[Command] | None) -> Pieces | None:
    return _list(name, None if commands is None else [item.command for item in commands])


_OF_TASK: Mapping[Where, Callable[[TaskRecord, str], Pieces | None]] = MappingProxyType(
    {
        Where.EXECUTED_COMMANDS: lambda task, name: _commands(f"{name}.executed_commands", task.executed_commands),
        Where.CLAIMED_COMMANDS: lambda task, name: _commands(f"{name}.claimed_commands", task.claimed_commands),
        Where.TASK_SUMMARY: lambda task, name: _text(f"{name}.summary", task.summary),
        Where.TASK_DESCRIPTION: lambda task, name: _text(f"{name}.description", task.description),
        Where.TASK_PLAN: lambda task, name: _text(f"{name}.plan", task.plan),
        Where.AGENT_MESSAGES: lambda task, name: _list(f"{name}.agent_messages", task.agent_messages),
        Where.OPERATIONAL_RULES: lambda task, name: _list(f"{name}.operational_rules", task.operational_rules),
    }
)
_OF_JOB: Mapping[Where, Callable[[JobRecord], Pieces | None]] = MappingProxyType(
    {
        Where.JOB_RESOLUTION: lambda job: _text("job.resolution_summary", job.resolution_summary),
        Where.JOB_PLAN: lambda job: _text("job.plan", job.plan),
    }
)
_OF_TICKET: Mapping[Where, Callable[[TicketRecord], Pieces | None]] = MappingProxyType(
    {
        Where.GATEWAY_MESSAGES: lambda ticket: _list("ticket.messages", ticket.messages),
        Where.GATEWAY_SUMMARY: lambda ticket: _text("ticket.summary", ticket.summary),
    }
)
TASK_TARGETS = frozenset(_OF_TASK)
JOB_TARGETS = frozenset(_OF_JOB)
TICKET_TARGETS = frozenset(_OF_TICKET)
