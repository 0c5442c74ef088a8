"""Whether a host was out of reach while the agent worked, through no doing of the agent's. Pure.

A repair that was cut off says nothing about who was repairing. But an agent that shuts a host down, or its network,
has only itself to blame.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pytest_2501bench.errors import Cause
from pytest_2501bench.evidence.model import Command, Evidence, Trait
from pytest_2501bench.scoring.model import GateResult, Status
from pytest_2501bench.shell.words import INTERPRETERS, SHELLS, SimpleCommand, simple_commands

_OWN_DOING = re.compile(
    r"\b(?:reboot|shutdown|poweroff|halt|kexec|telinit|init\s+[06s])\b|sysrq"
    r"|\bsystemctl\b[^;&|\n]*\b(?:isolate|rescue|emergency|exit)\b"
    r"|\bsystemctl\b[^;&|\n]*\b(?:stop|restart|mask|kill|disable)\b[^;&|\n]*\b(?:sshd?|\S*network\w*)\b"
    r"|\bservice\s+(?:sshd?|network\w*)\s+(?:stop|restart)"
    r"|\b(?:ip6?tables\S*|nft|ufw|firewall-cmd|ifdown|netplan|nmcli)\b|\bifconfig\s+\S+\s+\S"
    r"|\bip\s(?:[^;&|\n]*\s)?(?:set|del|delete|add|flush|replace|change)\b"
    r"|\b(?:pkill|killall5?)\b[^;&|\n]*(?:\bsshd?\b|$)|\bkill\b[^;&|\n]*(?:\s-?1(?:\s|$)|PPID|sshd)"
)
"""Commands that may take a host, or the way to it, away. Broad: in doubt the agent is judged as ever."""

_UNSEEN = frozenset(
    {
        Trait.READS_COMMANDS,
        Trait.FETCHED_AND_RUN,
        Trait.WRITTEN_AND_RUN,
        Trait.DECODED_AND_RUN,
        Trait.BACKGROUND,
        Trait.ONWARD,
    }
)
_USUAL = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/")


def own_doing(commands: Iterable[Command]) -> bool:
    """Say whether one of *commands* may have taken a host, or the way to it, away.

    True also for what cannot be looked into (a script, ``python -c``, something fetched, decoded or left running): that
    an agent hides what it does must not be to its advantage.
    """
    return any(_OWN_DOING.search(each.command) is not None or _hidden(each) for each in commands)


def _hidden(command: Command) -> bool:
    if command.seen is not None and _UNSEEN & set(command.seen.traits):
        return True
    return any(_runs_what_is_not_shown(part) for part in simple_commands(command.command))


def _runs_what_is_not_shown(part: SimpleCommand) -> bool:
    words = part.bare
    if not words:
        return False
    if words[0] in {"source", ".", "eval"} or ("/" in words[0] and not words[0].startswith(_USUAL)):
        return True
    if part.program in SHELLS:
        # `sh -c '…'` shows its commands: they are parts of their own
        return not any(word.startswith("-") and word.endswith("c") for word in words[1:])
    return part.program in INTERPRETERS


def out_of_reach(evidence: Evidence) -> tuple[str, ...]:
    """Return the hosts that were out of reach while the job ran, unless something the agent did may be the reason."""
    tasks = (evidence.job.tasks if evidence.job is not None else None) or ()
    if own_doing(command for task in tasks for command in task.executed_commands or ()):
        return ()
    return evidence.unreached


def without_reach(gate: GateResult, hosts: tuple[str, ...]) -> GateResult:
    """Return *gate* as it counts when *hosts* were out of reach: what failed is no verdict on the agent."""
    if not hosts or gate.status is not Status.FAILED:
        return gate
    why = f"{', '.join(hosts)} could not be reached while the agent worked; {gate.reason}"
    return gate.model_copy(update={"status": Status.ERROR, "reason": why, "cause": Cause.SANDBOX_VANISHED})
