"""From the word of ``--agent`` to an agent."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence

from pytest_2501bench.agents.protocol import Agent
from pytest_2501bench.errors import BenchError, Cause

BUILT_IN = ("command", "llm", "noop", "oracle")


def make_agent(name: str, command: Sequence[str] | None = None) -> Agent:
    """Return agent *name*: a built-in one, or ``package.module:factory`` (called without arguments).

    Raises:
        BenchError: ``option_invalid``: no such agent, or *command* missing or superfluous.
    """
    if command and name != "command":
        raise BenchError(Cause.OPTION_INVALID, f"--agent-command: agent {name} takes no command.")
    if name == "noop":
        from pytest_2501bench.agents.noop import NoopAgent

        return NoopAgent()
    if name == "oracle":
        from pytest_2501bench.agents.oracle import OracleAgent

        return OracleAgent()
    if name == "command":
        if not command:
            raise BenchError(Cause.OPTION_INVALID, "--agent command: needs --agent-command PROGRAM.")
        from pytest_2501bench.agents.command import CommandAgent

        return CommandAgent(command)
    if name == "llm":
        from pytest_2501bench.agents.llm.agent import LlmAgent

        return LlmAgent()
    if ":" in name:
        return _imported(name)
    near = difflib.get_close_matches(name, BUILT_IN, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise BenchError(
        Cause.OPTION_INVALID, f"--agent {name}: no such agent. Available: {', '.join(BUILT_IN)}.", remedy=hint.strip()
    )


def _imported(name: str) -> Agent:
    module_name, _, attribute = name.partition(":")
    try:
        made = getattr(importlib.import_module(module_name), attribute)()
    except (ImportError, AttributeError, TypeError) as error:
        raise BenchError(Cause.OPTION_INVALID, f"--agent {name}: {error}") from error
    if not isinstance(made, Agent):
        raise BenchError(Cause.OPTION_INVALID, f"--agent {name}: gives a {type(made).__name__}, which is no agent.")
    return made
