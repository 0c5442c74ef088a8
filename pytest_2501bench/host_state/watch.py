"""Looks at the hosts of one run three times, and makes evidence of what the agent changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.log import EvidenceLog
from pytest_2501bench.evidence.model import HostChanges
from pytest_2501bench.host_state.compare import changes, put_back
from pytest_2501bench.host_state.model import HostState
from pytest_2501bench.host_state.take import take
from pytest_2501bench.playbooks.model import PlaybookRunner
from pytest_2501bench.sandbox.protocol import Host
from pytest_2501bench.scenario.model import Collateral, LoadedScenario

MOST = 5_000  # changes that are kept one by one


def asked(loaded: LoadedScenario, setting: str) -> Collateral | None:
    """Return what ``--collateral`` (auto, always, never) makes of *loaded*; None: its hosts are not looked at."""
    own = loaded.scenario.bench.collateral
    if setting == "never":
        return None
    return own or (Collateral(required=False) if setting == "always" else None)


@dataclass
class Watch:
    """Looks, unless ``asked`` is None. A look that fails costs the check its verdict, and the run nothing.

    Attributes:
        playbooks: by whose connections the hosts are looked at.
        log: where the changes go.
        asked: what is looked at.
        alone: no playbook touches the hosts, so nobody else ends the connections before the agent comes.
    """

    playbooks: PlaybookRunner
    log: EvidenceLog
    asked: Collateral | None
    alone: bool = False
    _healthy: dict[str, HostState] = field(default_factory=dict)
    _broken: dict[str, HostState] = field(default_factory=dict)
    _failed: str = ""
    _seconds: float = 0.0

    def healthy(self, hosts: Sequence[Host]) -> None:
        """Look before prepare.yml: what is so again after the agent was put back by it."""
        self._failed = ""  # it begins anew, perhaps on other hosts
        self._healthy = self._look(hosts)

    def broken(self, hosts: Sequence[Host]) -> None:
        """Look when the incident is in, before our own tooling's traces are removed: those of this look go too."""
        self._broken = self._look(hosts)
        if self.asked is not None and self.alone:
            self.playbooks.forget(hosts)

    def finished(self, hosts: Sequence[Host]) -> None:
        """Look when the agent is gone, and record what it changed.

        Raises:
            BenchError: ``evidence_not_written``.
        """
        after = self._look(hosts)
        if self.asked is not None:
            self.log.host_changes(self._compared(after))

    def _look(self, hosts: Sequence[Host]) -> dict[str, HostState]:
        if self.asked is None or self._failed:
            return {}
        start = time.monotonic()
        try:
            states = take(self.playbooks.ssh_command, hosts, self.asked.roots)
        except BenchError as exc:
            self._failed = exc.message
            return {}
        finally:
            self._seconds += time.monotonic() - start
        partial = [f"host {name}: {note}" for name, state in states.items() if not state.whole for note in state.notes]
        self._failed = "; ".join(partial)
        return states

    def _compared(self, after: dict[str, HostState]) -> HostChanges:
        seconds = round(self._seconds, 3)
        if not self._failed and not self._broken.keys() == self._healthy.keys() == after.keys():
            self._failed = "the hosts were not looked at before the agent came"  # somebody else prepared them
        if self._failed:
            return HostChanges(failed=self._failed, seconds=seconds)
        found = changes(self._broken, after)
        undone = put_back(found, self._healthy, after)
        kept = [change for change in found if change not in undone]
        notes = tuple(f"host {name}: {note}" for name, state in after.items() for note in state.notes)
        return HostChanges(
            changes=tuple(kept[:MOST]),
            undone=len(undone),
            omitted=max(len(kept) - MOST, 0),
            notes=notes,
            seconds=seconds,
        )
