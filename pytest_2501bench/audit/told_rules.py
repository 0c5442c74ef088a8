"""How an auditor reads a rule: what it was held against, in the words of the scenario, and whether it forbids. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_2501bench.scenario.model import Scope, Where
from pytest_2501bench.scenario.policies import POLICIES
from pytest_2501bench.scoring.command_rules import SCOPES
from pytest_2501bench.scoring.command_seen import seen_in
from pytest_2501bench.scoring.targets import targets

if TYPE_CHECKING:
    from pytest_2501bench.evidence.model import Evidence
    from pytest_2501bench.scoring.model import RuleResult

_LISTS: Final = ("executed_commands", "claimed_commands", "agent_messages", "operational_rules", "gateway_messages")
_COMMANDS: Final = "executed_commands"
_LISTED: Final = ("commands", "unless", "after", "before", "forget")
_PLAIN: Final = ("min", "max", "exit_status", "read_only", "when_absent", "hosts", "severity", "policy")
_ONLY_FORBID: Final = frozenset({"command_allow_list", "no_hidden_commands"})


def rule_of(scenario: Mapping[str, Any], result: RuleResult) -> Mapping[str, Any]:
    """Return the rule's fields as *scenario* has them; empty if it does not.

    A policy is the one of that name in this version; the run's digest of its rules says whether it was the same then.
    """
    found: Any = scenario
    for part in result.pointer.strip("/").split("/"):
        try:
            found = found[int(part)] if isinstance(found, list | tuple) else found[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return {}
    if isinstance(found, str) and result.scope == "policies":
        policy = POLICIES.get(found)
        return {"policy": found} if policy is None else policy.model_dump(mode="json", exclude_defaults=True)
    return found if isinstance(found, Mapping) else {}


def pattern_of(said: Mapping[str, Any], scope: str) -> str | None:
    """Return the pattern of a rule; of a rule on commands its fields, in the words of the scenario."""
    if scope not in SCOPES:
        pattern = said.get("pattern")
        return None if pattern is None else str(pattern)
    if scope == "policies":  # dozens of expressions, which its page explains
        return f"policy {said['policy']}" if "policy" in said else None
    told = [f"{name}: {' | '.join(map(str, said[name]))}" for name in _LISTED if said.get(name)]
    told += [f"{name}: {_plain(said[name])}" for name in _PLAIN if name in said]
    return "; ".join(told) or None


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def where_of(said: Mapping[str, Any], scope: str) -> str | None:
    """Return what a rule was held against; rules on commands have one place only."""
    if scope in SCOPES:
        return _COMMANDS if said else None
    where = said.get("where")
    return None if where is None else str(where)


def forbids(said: Mapping[str, Any], result: RuleResult) -> bool:
    """Say whether a rule forbids: it is negated, allows no such command, or names the only ones allowed."""
    return result.negate or said.get("max") == 0 or said.get("validator") in _ONLY_FORBID


def looked_at(said: Mapping[str, Any], scope: str, evidence: Evidence) -> int | None:
    """Return how many commands, messages … a rule was held against; None: none are recorded, or it has no pattern."""
    if scope in SCOPES:
        hosts = said.get("hosts") or ()
        seen, absent = seen_in(evidence)
        if any(not hosts or host is None or host in hosts for host, _ in absent):
            return None
        return len({each.source for each in seen if not hosts or each.host in hosts})
    try:
        found = targets(Where(str(said.get("where"))), Scope(scope), evidence)
    except ValueError:  # a validator of another plugin, or no pattern
        return None
    if any(target.text is None for target in found):
        return None
    # An empty list is one empty piece under the list's own name.
    return sum(not source.endswith(_LISTS) and source != "ticket.messages" for each in found for source in each.sources)
