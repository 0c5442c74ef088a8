"""The registered hosts that a session may use, and what they can do."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.host.identity import find_host, resolve
from pytest_2501bench.sandbox.host.knowledge import HostKnowledge
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES, Capabilities, HostSpec
from pytest_2501bench.sandbox.templates import load_templates
from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.repository import Store


class HostPool:
    """Implements :class:`pytest_2501bench.sandbox.protocol.KeptHosts`."""

    mode = "host"

    def __init__(
        self, open_store: Callable[[], Store], state: Path, org_id: str | None, vm_templates_path: Path | None
    ) -> None:
        self._open_store = open_store
        self._opened: Store | None = None
        self._state = state
        self.org_id = org_id
        self._vm_templates_path = vm_templates_path
        self._knowledge = HostKnowledge(lambda: self.store, state)
        self._told: dict[str, Capabilities] = {}

    @property
    def store(self) -> Store:
        """The database; opened on first use, closed with this object."""
        if self._opened is None:
            self._opened = self._open_store()
            weakref.finalize(self, self._opened.close)
        return self._opened

    def hosts(self) -> tuple[RegisteredHost, ...]:
        """Return the registered hosts that this session may use, in quarantine or not, oldest first."""
        return tuple(host for host in self.store.hosts(mode=self.mode) if host.org_id in (None, self.org_id))

    def hosts_available(self) -> int:
        """Return how many registered hosts are not in quarantine."""
        return sum(1 for host in self.hosts() if host.quarantine is None)

    def places(self, runs: Sequence[Sequence[HostSpec]]) -> int:
        """Return how many hosts the *runs* have among them: with more workers than that, runs wait for each other."""
        known = self.hosts()
        found = (find_host(spec.host_id or spec.host_name, known) for specs in runs for spec in specs)
        return len({host.host_id for host in found if isinstance(host, RegisteredHost) and host.quarantine is None})

    def capabilities(self, template: str) -> Capabilities:
        """Say what all registered hosts can do; they are taken for *template* as they are. Each is looked at once."""
        if template not in self._told:
            self._told[template] = self._capabilities(template)
        return self._told[template]

    def _capabilities(self, template: str) -> Capabilities:
        hosts = self.hosts()
        if template not in load_templates(self._vm_templates_path) and template not in {h.template for h in hosts}:
            why = f"there is no template {template!r}"
            return Capabilities(frozenset(), dict.fromkeys(KNOWN_CAPABILITIES, why), fresh=False)
        return self._knowledge.of_all(hosts)

    def lack(self, specs: Sequence[HostSpec], wanted: Sequence[str]) -> str | None:
        """Return why the hosts that *specs* mean cannot do what is *wanted*, in one line, or None.

        A host that does not answer, or that is in quarantine, is no reason to skip a run: :meth:`create` will say so.
        Neither is an unknown ``host_id``, which is a mistake; a name alone may simply not be registered here.
        """
        known = self.hosts()
        for spec in specs:
            host = find_host(spec.host_id or spec.host_name, known)
            if isinstance(host, str):
                return host.rstrip(".") if spec.host_id is None else None
        try:
            hosts = resolve(specs, known)
        except BenchError:
            return None
        return self._knowledge.lack(hosts, specs, wanted)
