"""``2501bench hosts check``: what a look at registered hosts says to people, and freeing those that are well again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.model import PlaybookStatus
from pytest_2501bench.phases import explain
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.sandbox.host.hold import lease_is_free, told
from pytest_2501bench.sandbox.host.host_key import fingerprints
from pytest_2501bench.sandbox.host.knowledge import peek
from pytest_2501bench.sandbox.host.look import Seen, capabilities_from
from pytest_2501bench.sandbox.host.provider import HostProvider
from pytest_2501bench.sandbox.protocol import Progress, silent
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.resolve import host_specs
from pytest_2501bench.store.leases import HostLease, Leases
from pytest_2501bench.store.model import RegisteredHost


@dataclass(frozen=True, slots=True)
class Checked:
    """One host, looked at."""

    host: RegisteredHost
    seen: Seen
    lease: HostLease | None  # of a run that is on it now
    freed: bool = False

    @property
    def well(self) -> bool:
        """Whether runs can have it, now or after the present one."""
        return self.seen.lack() is None and (self.host.quarantine is None or self.freed)

    def lines(self) -> Iterator[str]:
        """Give what there is to say, one thing a line."""
        host = self.host
        yield title(host)
        lack = self.seen.lack()
        if lack is not None:
            yield f"  not usable: {lack[0]}. {lack[1]}".rstrip()
        if self.seen.facts:
            can = capabilities_from(self.seen.facts, host.host_name)
            keys = fingerprints((host.host_key or "").splitlines())
            yield f"  answers with its host key {' or '.join(keys)}"
            yield f"  user {host.ssh_user}: {'root rights' if self.seen.facts['root'] is True else 'no root rights'}"
            if self.seen.facts["python"]:
                yield f"  python {self.seen.facts['python']} at {host.python}"
            for word in ("systemd", "own-kernel", "nested-containers", "kubernetes"):
                yield f"  {word}" if word in can.names else f"  no {word}: {can.missing[word]}"
        if self.lease is not None:
            yield f"  in use by {told(self.lease)}"
        if host.quarantine is not None:
            yield f"  {'was' if self.freed else 'is'} in quarantine: {host.quarantine}"
            yield "  free again" if self.freed else "  stays in quarantine until it is well and not in use"


def title(host: RegisteredHost) -> str:
    """Return a host's name, id and address, in one line."""
    where = "through a proxy command" if host.proxy_command else f"at {host.ssh_address}, port {host.ssh_port}"
    return f"{host.host_name} ({host.host_id}), {host.ssh_user} {where}"


def in_use(provider: HostProvider) -> dict[str, HostLease]:
    """Return the leases of living runs, by host id."""
    return {name: lease for name, lease in Leases(provider.store).all().items() if not lease_is_free(lease)}


def check(provider: HostProvider, host: RegisteredHost) -> Checked:
    """Look at *host*; when it is well and nobody uses it, end its quarantine. Raises ``database_lost``."""
    seen = peek(host)
    if seen.facts:
        provider.store.note_facts(host.host_id, seen.facts)
    lease = in_use(provider).get(host.host_id)
    freed = host.quarantine is not None and lease is None and seen.lack() is None
    if freed:
        provider.free(host)
    return Checked(host, seen, lease, freed)


def restore(provider: HostProvider, loaded: LoadedScenario, log: Path, progress: Progress = silent) -> None:
    """Put the hosts of a scenario back with its restore.yml, whether or not they are in quarantine.

    Raises:
        BenchError: ``scenario_invalid`` (it has no restore.yml, or no hosts), ``restore_failed``, or as
            :meth:`HostProvider.create`.
    """
    key = loaded.scenario.key
    playbook = loaded.playbook("restore")
    specs = host_specs(loaded, mode_is_fresh=False)
    if playbook is None or not specs:
        what = "no restore.yml" if playbook is None else "no hosts"
        raise BenchError(Cause.SCENARIO_INVALID, f"scenario {key} has {what}: nothing puts its hosts back.")
    sandbox = provider.take(specs, progress, quarantined=True)
    runner = AnsibleRunner()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        record = runner.run(
            PlaybookRequest(
                playbook=playbook,
                phase=Phase.RESTORE,
                hosts=sandbox.hosts,
                deadline=loaded.scenario.bench.timeouts.restore,
                log=log,
                extra_inventory=loaded.inventory,
                progress=progress,
            )
        )
    finally:
        runner.close()
        provider.destroy(sandbox)
    if record.status is not PlaybookStatus.OK:
        raise BenchError(Cause.RESTORE_FAILED, f"{explain(record)}.", log=log)


def chosen(provider: HostProvider, words: Sequence[str]) -> list[RegisteredHost]:
    """Return the hosts that *words* name by id or name; all if there are none.

    Raises:
        BenchError: ``option_invalid``.
    """
    from pytest_2501bench.sandbox.host.identity import find_host

    known = provider.hosts()
    if not words:
        return list(known)
    found = []
    for word in words:
        host = find_host(word, known)
        if isinstance(host, str):
            raise BenchError(Cause.OPTION_INVALID, host)
        found.append(host)
    return found
