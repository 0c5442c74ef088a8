"""What agents remember between jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pytest_2501bench.engine.state import Repository

MAX_MEMORY = 262_144
"""Characters that an agent may remember."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """What the agents of one assignment remember at its start, as one text.

    *flushes* (by agent): how often each had been flushed. Who is flushed meanwhile shall not remember it after all.
    """

    text: str
    flushes: Mapping[str, int]


def recall(repository: Repository, agent_ids: Iterable[str]) -> Recollection:
    """Return what these agents remember; what several have in common stands there once."""
    memories = [repository.memory(agent_id) for agent_id in dict.fromkeys(agent_ids)]
    text = "\n\n".join(dict.fromkeys(memory.text for memory in memories if memory.text))
    return Recollection(text, {memory.agent_id: memory.flushes for memory in memories})


def remember(repository: Repository, before: Recollection, text: str | None) -> None:
    """Keep *text* as the memory of the agents of *before*; None changes nothing."""
    if text is None:
        return
    for agent_id, flushes in before.flushes.items():
        memory = repository.memory(agent_id)
        if repository.agent(agent_id) and memory.flushes == flushes:
            repository.put_memory(replace(memory, text=text[-MAX_MEMORY:]))


def flush(repository: Repository, agent_id: str) -> int:
    """Empty an agent's memory, also against jobs that are under way; return how many entries were removed."""
    memory = repository.memory(agent_id)
    repository.put_memory(replace(memory, text="", flushes=memory.flushes + 1))
    return 1 if memory.text else 0
