"""One warm Ansible for all workers: the controller's."""

from __future__ import annotations

from pathlib import Path

_NAME = "ansible"


def share_ansible(folder: Path) -> None:
    """Tell the workers, through the controller's private *folder*, which warm Ansible it has."""
    from pytest_2501bench.playbooks.warm import tell

    tell(folder / _NAME)


def use_shared_ansible(folder: Path) -> None:
    """In a worker, before its first playbook: use what the controller tells in *folder* by then."""
    from pytest_2501bench.playbooks.warm import follow

    follow(folder / _NAME)
