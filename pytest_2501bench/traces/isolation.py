"""Keeps one run's incident and its score apart: nothing of ours for the agent, nothing of the agent in the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.log import EvidenceLog
from pytest_2501bench.evidence.model import LeftRunning
from pytest_2501bench.playbooks.model import PlaybookRunner
from pytest_2501bench.sandbox.protocol import Host
from pytest_2501bench.traces.visit import Scrubbed, Survey, Visitor


@dataclass
class Isolation:
    """What is known of the hosts of one run, from the survey to the end of the agent's logins.

    Attributes:
        playbooks: whose traces these are, and by whose connections the hosts are visited.
        log: where findings go.
        needed: False if no playbook of the scenario touches a host; then none is visited.
    """

    playbooks: PlaybookRunner
    log: EvidenceLog
    needed: bool
    _surveys: dict[str, Survey] | None = None
    _scrubbed: dict[str, Scrubbed] = field(default_factory=dict)

    def survey(self, hosts: Sequence[Host]) -> None:
        """Note what is on registered hosts before we touch them: only what comes after may be removed.

        Raises:
            BenchError: ``ssh_not_up`` or ``prepare_failed``.
        """
        if self.needed and self._surveys is None:
            self._surveys = self._visitor.survey(hosts)

    def scrub(self, hosts: Sequence[Host]) -> None:
        """Remove what our tooling left on the hosts, and leave them.

        Raises:
            BenchError: ``ssh_not_up`` or ``prepare_failed``.
        """
        if not self.needed:
            return
        self._scrubbed = self._visitor.scrub(hosts, self._surveys or {})
        for name, host in self._scrubbed.items():
            for path in host.busy:
                self.log.warning(f"prepare: on {name} a background task of Ansible still runs, and {path} shows it")
        # A connection of ours must not be there for the agent to see, or to meddle with.
        self.playbooks.forget(hosts)

    def end_logins(self, hosts: Sequence[Host], *, fresh: bool) -> None:
        """End what is left of the agent's logins, and record it with what it leaves running on purpose.

        On a registered host others may be logged in, so open logins stay there; but what writes to a login that is
        gone is nobody else's. Daemons stay everywhere: to start one by hand is a valid repair.
        """
        if not self._scrubbed:
            return
        try:
            left = self._visitor.look(hosts, self._scrubbed, end=("open", "attached") if fresh else ("attached",))
        except BenchError as exc:  # validate.yml will find the same, and say what it means
            self.log.warning(f"validate: {exc.message}")
            return
        self.log.left_running(left)
        self._warn(left, "still ran after the job")

    def end_commands(self, hosts: Sequence[Host]) -> None:
        """End what a playbook that was cut off left running on registered hosts: it must not meet the next one."""
        if self._surveys is None:
            return
        self.playbooks.forget(hosts)  # what hung on its connection hangs on nothing now, and is known by that
        try:
            left = self._visitor.look(hosts, self._surveys, end=("attached",))
        except BenchError as exc:  # the next playbook will find the same, and say what it means
            self.log.warning(exc.message)
            return
        self._warn(left, "was left by a playbook that was cut off")

    def leave(self, hosts: Sequence[Host]) -> list[str]:
        """Remove what our tooling left on registered hosts since the survey; return what went wrong, a line each."""
        if self._surveys is None:
            return []
        try:
            self._visitor.scrub(hosts, self._surveys)
        except BenchError as exc:
            return [exc.message]
        return []

    def _warn(self, left: Sequence[LeftRunning], why: str) -> None:
        for host in dict.fromkeys(one.host for one in left if one.ended):
            ended = [f"{one.command} (pid {one.pid})" for one in left if one.ended and one.host == host]
            self.log.warning(f"ended on {host}, because it {why}: {', '.join(ended)}")

    @property
    def _visitor(self) -> Visitor:
        return Visitor(self.playbooks.ssh_command)
