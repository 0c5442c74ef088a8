"""A gateway with the record before it: what the engine reports is a claim, what the bastion saw is what happened.

Around the gateway of each run. It registers the bastion in place of the hosts where there is an outside engine, and
gathers the recordings, also those of the local engine's agents.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_2501bench.bastion import shelf
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.log import EvidenceLog
from pytest_2501bench.evidence.model import JobRecord, Recording, TaskRecord, TicketRecord
from pytest_2501bench.gateway.protocol import AgentRegistration, Gateway, HostRegistration, TicketSubmission

if TYPE_CHECKING:
    from pytest_2501bench.bastion.session_bastion import GuardedWay, SessionBastion


class RecordedGateway:
    """See :class:`pytest_2501bench.gateway.protocol.Gateway`; for one run."""

    def __init__(
        self,
        inner: Gateway,
        log: EvidenceLog,
        *,
        bastion: SessionBastion | None = None,
        engine_directory: Path | None = None,
        always: bool = False,
        why_not: str = "",
    ) -> None:
        """Go through *inner*.

        Args:
            inner: the real gateway.
            log: the run's evidence.
            bastion: for an outside engine; None: its commands are not recorded.
            engine_directory: where the local engine's agents leave recordings; None: an outside engine.
            always: refuse to register a host that cannot be recorded.
            why_not: why there is no bastion, for a warning.
        """
        self.inner = inner
        self.name = inner.name
        self._log = log
        self._bastion = bastion
        self._engine_directory = engine_directory
        self._always = always
        self._why_not = why_not
        self._way: GuardedWay | None = None
        self._names: dict[str, str] = {}  # host_id → host_name
        self._recordings: tuple[Recording, ...] = ()
        self._unreached: tuple[str, ...] = ()

    def preflight(self) -> None:
        """Raise if tickets cannot be submitted."""
        self.inner.preflight()

    def register(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Make hosts and agents known to the engine; the hosts under the bastion's address."""
        self._names = {host.host_id: host.host_name for host in hosts}
        self.inner.register(self._guarded(hosts, agents), agents)

    def unregister(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Remove what :meth:`register` made."""
        try:
            self.inner.unregister(hosts, agents)
        finally:
            # What an interrupted job left is worth a line; that there is no line must not hide why it was interrupted.
            with contextlib.suppress(BenchError):
                self._gather()

    def flush_memory(self, agent_ids: Sequence[str]) -> None:
        """Empty the agents' memory."""
        self.inner.flush_memory(agent_ids)

    def submit(self, ticket: TicketSubmission) -> str:
        """Create the ticket; return its reference."""
        return self.inner.submit(ticket)

    def poll(self, reference: str) -> JobRecord | None:
        """Return the ticket's job, with what was seen of it."""
        job = self.inner.poll(reference)
        if job is None or self._engine_directory is not None:
            if job is not None and job.finished:
                self._gather()
            return job
        if job.finished:
            self._gather()
        if job.tasks is None:
            return job
        return job.model_copy(update={"tasks": tuple(self._seen(task) for task in job.tasks)})

    def cancel(self, reference: str) -> None:
        """Stop the job."""
        self.inner.cancel(reference)

    def fetch(self, reference: str) -> TicketRecord:
        """Return the ticket."""
        return self.inner.fetch(reference)

    def close(self) -> None:
        """Leave the hosts; the real gateway serves other runs too."""
        if self._way is not None:
            self._way.close()

    def _guarded(
        self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]
    ) -> Sequence[HostRegistration]:
        if self._engine_directory is not None:
            return hosts
        if self._way is not None:  # tried again
            return [*self._way.hosts, *(host for host in hosts if host.host_id not in self._guarded_ids())]
        # Such agents have a way of their own to their hosts, and are left untouched.
        own_way = {agent.host_id for agent in agents if agent.existing}
        left = [host.host_name for host in hosts if host.host_id in own_way or self._bastion is None]
        if left and (self._always or self._why_not or self._bastion is not None):
            why = self._why_not or "the engine's agents there have a way of their own"
            message = f"what agents do on {', '.join(left)} is not recorded: {why}"
            if self._always:
                raise BenchError(Cause.OPTION_INVALID, f"--record always: {message}.")
            self._log.warning(message)
        wanted = [host for host in hosts if host.host_name not in left]
        if not wanted or self._bastion is None:
            return hosts
        folder = self._log.run_dir / shelf.FOLDER
        self._way = self._bastion.open(wanted, {host.host_name: folder / host.host_name for host in wanted})
        return [*self._way.hosts, *(host for host in hosts if host.host_name in left)]

    def _guarded_ids(self) -> set[str]:
        return {host.host_id for host in self._way.hosts} if self._way is not None else set()

    def _seen(self, task: TaskRecord) -> TaskRecord:
        claimed = task.executed_commands if task.claimed_commands is None else task.claimed_commands
        host_id = task.host_id or next((i for i, name in self._names.items() if name == task.host_name), None)
        if host_id is None and len(self._names) == 1:
            (host_id,) = self._names
        name = self._names.get(host_id or "", "")
        # An engine that never came this way may have another one: then its word stands, or that it gave none. Only
        # where it says that nothing ran do both agree.
        passed_by = not self._always and self._way is not None and not self._way.visited(name) and claimed != ()
        if self._way is None or host_id not in self._guarded_ids() or passed_by:
            return task.model_copy(update={"claimed_commands": claimed, "recorded": False})
        seen = self._way.commands(name)
        return task.model_copy(update={"executed_commands": seen, "claimed_commands": claimed, "recorded": True})

    def _gather(self) -> None:
        """Close the way to the hosts: the job is over. Then say which recordings there are."""
        self.close()
        if self._engine_directory is not None:
            with contextlib.suppress(OSError):  # what cannot be moved stays with the engine's logs
                shelf.fetch(self._engine_directory, self._log.run_dir, self._names)
        found = shelf.found(self._log.run_dir, tuple(self._names.values()))
        if found != self._recordings:
            self._recordings = found
            self._log.recordings(found)
        unreached = shelf.unreached(self._log.run_dir, tuple(self._names.values()))
        if unreached != self._unreached:
            self._unreached = unreached
            self._log.unreached(unreached)
