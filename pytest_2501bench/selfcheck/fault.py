"""The tasks of prepare.yml that bring the fault in: without them, the host is healthy."""

from __future__ import annotations

from pathlib import Path

from pytest_2501bench.scenario.lint.playbook import FAULT_TAG, has_tag, read_playbook


def has_fault_tasks(playbook: Path) -> bool:
    """Say whether a task of *playbook*, or a block around one, carries the tag ``fault``."""
    return any(has_tag(task, FAULT_TAG) for task in read_playbook(playbook).tasks())
