"""What a rule of a scenario asks for, as a sentence for its author."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pytest_2501bench.scenario.model import (
    AnyCommandRule,
    ClaimsMatch,
    CommandAllowList,
    CommandCount,
    CommandOrder,
    JobResolutionStatus,
    PatternMatch,
    RuleFields,
    Scope,
    TaskCount,
    TicketStatus,
    Where,
)
from pytest_2501bench.scoring.read_only import READ_ONLY

_MANY: Final = 12
"""More expressions than these are not the author's own; if all of them are for looks, they are named as such."""

TEXTS: Final[Mapping[Where, str]] = MappingProxyType(
    {
        Where.EXECUTED_COMMANDS: "the commands that ran",
        Where.CLAIMED_COMMANDS: "the commands that the agent says it ran",
        Where.TASK_SUMMARY: "the agent's report",
        Where.TASK_DESCRIPTION: "the task's description",
        Where.TASK_PLAN: "the agent's plan",
        Where.AGENT_MESSAGES: "the agent's messages",
        Where.JOB_RESOLUTION: "the job's resolution",
        Where.JOB_PLAN: "the job's plan",
        Where.GATEWAY_MESSAGES: "the ticket's comments and work notes",
        Where.GATEWAY_SUMMARY: "the ticket's resolution note",
        Where.OPERATIONAL_RULES: "the operational rules that the agent was given",
    }
)


def in_words(rule: RuleFields, scope: Scope) -> str:
    """Return what a rule of ``validation`` or ``bench.outcome`` asks for."""
    if isinstance(rule, PatternMatch):
        return _pattern(rule, scope)
    if isinstance(rule, JobResolutionStatus):
        said = f"the job ends as '{rule.pattern}'"
    elif isinstance(rule, TicketStatus):
        said = f"the ticket is '{rule.pattern}' in the ticketing system"
    elif isinstance(rule, TaskCount):
        said = f"the job has {_amount(rule.count, rule.min, rule.max)} {_tasks(rule)}"
    else:
        fields = {name: value for name, value in (rule.model_extra or {}).items()}  # noqa: C416 - the type narrows
        told = ", ".join(f"{name} {value!r}" for name, value in fields.items())
        said = f"{getattr(rule, 'validator', 'a rule of a plugin')}{f' ({told})' if told else ''} holds"
    return f"not so: {said}" if rule.negate else said


_PLURAL: Final = frozenset(
    {
        Where.EXECUTED_COMMANDS,
        Where.CLAIMED_COMMANDS,
        Where.AGENT_MESSAGES,
        Where.GATEWAY_MESSAGES,
        Where.OPERATIONAL_RULES,
    }
)


def _pattern(rule: PatternMatch, scope: Scope) -> str:
    text, plural = TEXTS[rule.where], rule.where in _PLURAL
    matches = f"{'match' if plural else 'matches'} /{rule.pattern}/"
    if scope is Scope.TASKS:
        return f"in {'none' if rule.negate else 'at least one'} of the tasks, {text} {matches}"
    if rule.negate:
        return f"{text} {'do' if plural else 'does'} not match /{rule.pattern}/"
    return f"{text} {matches}"


def _tasks(rule: TaskCount) -> str:
    return "task" if rule.count == 1 or (rule.count is None and rule.max == 1) else "tasks"


def _amount(count: int | None, least: int | None, most: int | None) -> str:
    if count is not None:
        return f"exactly {count}"
    if least is not None and most is not None:
        return f"exactly {least}" if least == most else f"{least} to {most}"
    return f"at most {most}" if most is not None else f"at least {least if least is not None else 1}"


def command_rule_in_words(rule: AnyCommandRule) -> str:
    """Return what a rule of ``bench.rules`` or a policy asks for."""
    if isinstance(rule, CommandCount):
        said = _count(rule)
    elif isinstance(rule, CommandOrder):
        said = _order(rule)
    elif isinstance(rule, CommandAllowList):
        allowed = ["commands that only look"] if rule.read_only else []
        allowed += [_any(rule.commands)] if rule.commands else []
        said = f"nothing runs but {' and '.join(allowed)}"
    else:
        said = "nothing runs that cannot be read: no decoded, fetched or uploaded script, no login to another host"
    return f"on {', '.join(rule.hosts)}: {said}" if rule.hosts else said


def _count(rule: CommandCount) -> str:
    what = _any(rule.commands) + _unless(rule.unless)
    ended = _ended(rule.exit_status)
    if rule.max == 0:
        return f"never runs{ended}: {what}"
    least = 1 if rule.min is None and rule.max is None else rule.min
    amount = _amount(None, least, rule.max)
    return f"runs {amount} {'time' if amount.endswith(' 1') else 'times'}{ended}: {what}"


def _order(rule: CommandOrder) -> str:
    what = _any(rule.commands) + _unless(rule.unless)
    parts = []
    if rule.after:
        again = f", once more after each {_any(rule.forget)}" if rule.forget else ""
        parts.append(f"before each of {what} comes {_any(rule.after)}{_ended(rule.exit_status)}{again}")
    if rule.before:
        parts.append(f"after the last of {what} comes {_any(rule.before)}{_ended(rule.exit_status)}")
    if rule.when_absent == "fail":
        parts.append("and it must run at all")
    return "; ".join(parts)


def _any(patterns: Sequence[str]) -> str:
    if len(patterns) > _MANY and set(patterns) <= set(READ_ONLY):
        return "a command that only looks"
    return " or ".join(f"/{pattern}/" for pattern in patterns)


def _unless(patterns: Sequence[str]) -> str:
    return f" (but {_any(patterns)} may)" if patterns else ""


def _ended(status: str | int | None) -> str:
    if status is None:
        return ""
    return {"zero": " with success", "nonzero": " without success"}.get(str(status), f" with status {status}")


def claims_in_words(rule: ClaimsMatch) -> str:
    """Return what ``bench.claims_match`` asks for."""
    both = ", and nothing that was seen is missing from what it says" if rule.complete else ""
    return f"what the agent says it ran was seen on that host{both}"
