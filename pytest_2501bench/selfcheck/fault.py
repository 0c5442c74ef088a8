"""The tasks of prepare.yml that bring the fault in: without them, the host is healthy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pytest_2501bench.scenario.lint.playbook import read_playbook

FAULT_TAG: Final = "fault"


def has_fault_tasks(playbook: Path) -> bool:
    """Say whether a task of *playbook*, or a block around one, carries the tag ``fault``."""
    return any(FAULT_TAG in _tags(task.keywords.get("tags")) for task in read_playbook(playbook).tasks())


def _tags(value: object) -> set[str]:
    words = value if isinstance(value, list) else [value]
    return {part.strip() for word in words if isinstance(word, str) for part in word.split(",")}
