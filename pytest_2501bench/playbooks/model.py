"""What a playbook run needs. The result is :class:`pytest_2501bench.evidence.model.PlaybookRecord`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pytest_2501bench.errors import Phase
from pytest_2501bench.evidence.model import PlaybookRecord
from pytest_2501bench.sandbox.protocol import Host, Progress, silent


@dataclass(frozen=True, slots=True)
class PlaybookRequest:
    """One playbook on the hosts of one run."""

    playbook: Path  # <scenario folder>/prepare.yml; its folder is the playbook's base for files and templates
    phase: Phase
    hosts: Sequence[Host]
    deadline: float  # seconds, from the start
    log: Path  # the full output, for people; written as it comes, secrets of the environment never in it
    extra_inventory: Path | None = (
        None  # the scenario's inventory.ini or .yml: groups and variables on top of our hosts
    )
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    skip_tags: tuple[str, ...] = ()  # tasks with one of these are left out
    progress: Progress = silent  # one line per task start: "validate.yml: [web-01] the site answers"
    cancelled: Callable[[], bool] = lambda: False  # polled; True ends the playbook like a deadline (status cancelled)


class PlaybookRunner(Protocol):
    """Runs playbooks for one session; holds the short private directory with the SSH control sockets."""

    def run(self, request: PlaybookRequest) -> PlaybookRecord:
        """Run it to its end or deadline. Never raises for what a playbook or host can do: see ``status``."""
        ...

    def syntax_check(self, playbook: Path, inventory: Path | None = None) -> str | None:
        """Return what is wrong with *playbook* (``file:line: words``), or None. Connects to nothing."""
        ...

    def ssh_command(self, host: Host) -> Sequence[str]:
        """Return the command that runs a further word on *host*, over the connection of its playbooks."""
        ...

    def forget(self, hosts: Sequence[Host]) -> None:
        """Close control masters to *hosts*: they are about to be destroyed or reset."""
        ...

    def close(self) -> None:
        """End control masters and remove every file of this session; harmless when repeated."""
        ...
