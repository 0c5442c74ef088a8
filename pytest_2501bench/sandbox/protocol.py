"""The seam between a run and the machines it breaks. Third parties implement :class:`SandboxProvider`.

A provider makes groups of hosts that reach each other by ``host_name`` and that we reach by SSH with a verified host
key. It knows nothing of scenarios: it sees opaque names, templates and packages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

Progress = Callable[[str], None]
"""Called with one short line whenever a long step moves on; must be quick and must not raise."""


def silent(_line: str) -> None:
    """Progress to nobody."""


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How to reach a host. The host key is always checked against *known_hosts*."""

    user: str
    identity_file: Path
    known_hosts: Path
    hostname: str  # what stands in known_hosts too (HostKeyAlias): unique per sandbox, opaque
    address: str = "127.0.0.1"  # where to connect, if there is no proxy command
    port: int = 22
    proxy_command: str | None = None  # e.g. nsenter … sshd -i

    def options(self) -> dict[str, str]:
        """Return ssh_config options, in the order to write them."""
        options = {
            "HostName": self.address,
            "Port": str(self.port),
            "User": self.user,
            "IdentityFile": str(self.identity_file),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": self.hostname,
            "StrictHostKeyChecking": "yes",
            "PasswordAuthentication": "no",
            "BatchMode": "yes",
            "ForwardAgent": "no",
            "LogLevel": "ERROR",
        }
        if self.proxy_command:
            options["ProxyCommand"] = self.proxy_command
        return options


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A host that a scenario asks for."""

    host_name: str
    template: str = "debian-base"
    packages: tuple[str, ...] = ()
    host_id: str | None = None  # host mode: the registered host to use


@dataclass(frozen=True, slots=True)
class Host:
    """A running host."""

    host_id: str  # hst_…
    host_name: str
    ssh: SshSettings
    address: str | None = None  # how the other hosts of the sandbox reach it
    template: str | None = None
    python: str = "/usr/bin/python3"
    systemd: bool = True


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The hosts of one run. *name* is opaque (``sbx-…``) and says nothing of the scenario."""

    name: str
    hosts: tuple[Host, ...]
    directory: Path | None = None
    enter: str = ""  # command that opens a shell on the first host
    remove: str = ""  # command that removes the sandbox, for messages when we could not


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What hosts of a mode can do on this machine; a scenario that needs more is skipped with the reason.

    *names* are the words that ``bench.requires`` uses. *missing* gives the reason for each word that is not in *names*.
    """

    names: frozenset[str]
    missing: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = True  # every run gets a new machine (VM modes); False: registered hosts, put back by restore.yml
    ram_gb: float = 1.0

    def lack(self, wanted: Sequence[str]) -> str | None:
        """Return why *wanted* cannot be had, in one line, or None."""
        for word in wanted:
            if word not in self.names:
                return self.missing.get(word, f"this mode has no {word}")
        return None


KNOWN_CAPABILITIES = frozenset({"systemd", "network", "snapshot", "own-kernel", "nested-containers", "kubernetes"})
"""``systemd``: pid 1 is systemd. ``network``: several hosts reach each other by name. ``own-kernel``: modules, sysctl
of the kernel, reboot. ``nested-containers``: podman or docker work inside. ``kubernetes``: k3s works inside."""


@runtime_checkable
class KeptHosts(Protocol):
    """What a provider of registered hosts offers besides: its hosts differ, and there is a limited number of them."""

    def lack(self, specs: Sequence[HostSpec], wanted: Sequence[str]) -> str | None:
        """Return why the hosts that *specs* mean cannot do what is *wanted*, in one line for a skip, or None."""
        ...

    def places(self, runs: Sequence[Sequence[HostSpec]]) -> int:
        """Return how many hosts the *runs* have among them: with more workers than that, runs wait for each other."""
        ...


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why this machine cannot offer the mode, and what to do about it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Owned:
    """A sandbox (or what is left of one) in the ledger."""

    name: str
    owner_alive: bool
    owner_pid: int  # 0: kept on purpose
    created_at: float
    remove: str


@dataclass(frozen=True, slots=True)
class Image:
    """A built template, or a built set of packages on top of one, in a mode's native form."""

    name: str  # as the mode calls it, e.g. template-debian-base
    template: str
    packages: tuple[str, ...] = ()
    current: bool = True  # False: the definition has changed since; the next run that needs it builds it anew
    size: int | None = None  # bytes on disk, where the mode can tell
    built_at: float | None = None  # seconds since the epoch


@runtime_checkable
class SandboxProvider(Protocol):
    """One mode. All methods may be called from several processes at once, each with its own provider object.

    Errors: :class:`pytest_2501bench.errors.BenchError` with cause ``sandbox_not_created``, ``ssh_not_up`` (both may be
    retried on a new sandbox), ``sandbox_vanished`` or ``sandbox_unavailable``.
    """

    mode: str

    def preflight(self) -> list[Obstacle]:
        """Return everything that stands in the way on this machine; empty when the mode works. Creates nothing."""
        ...

    def capabilities(self, template: str) -> Capabilities:
        """Say truthfully what hosts made from *template* can do here. An unknown template lacks everything."""
        ...

    def prepare_images(self, specs: Sequence[HostSpec], progress: Progress = silent) -> None:
        """Build what *specs* need and what is not cached yet (template, package layer). One builder at a time."""
        ...

    def create(self, specs: Sequence[HostSpec], progress: Progress = silent) -> Sandbox:
        """Make the hosts, and return when each answers SSH. The ledger row comes first; on failure all is removed."""
        ...

    def reset(self, sandbox: Sandbox) -> Sandbox:
        """Put every host back to the state after :meth:`create`, reachable by the same SSH settings or new ones."""
        ...

    def alive(self, sandbox: Sandbox) -> str | None:
        """Return None while all hosts run, else which one does not and why, in one line. Quick; no SSH."""
        ...

    def destroy(self, sandbox: Sandbox) -> None:
        """Remove everything of the sandbox; harmless when repeated. Raises ``restore_failed`` naming what is left.

        Registered hosts stay as they are: they are let go, so that others may have them.
        """
        ...

    def quarantine(self, sandbox: Sandbox, reason: str) -> str:
        """Take the hosts of *sandbox* out of use because they could not be put back; return what to do, in one line.

        Only for modes whose hosts outlive a run; where each run gets a fresh machine there is nothing to do.
        """
        ...

    def find(self, name: str) -> Sandbox | None:
        """Return a sandbox that any session of this user made and that is not removed yet, by its name."""
        ...

    def keep(self, sandbox: Sandbox) -> None:
        """Let *sandbox* outlive this session: from now on only :meth:`destroy` removes it, never :meth:`reap`."""
        ...

    def list_owned(self) -> list[Owned]:
        """List what the ledger holds for this mode, whoever owns it."""
        ...

    def reap(self) -> list[str]:
        """Remove sandboxes of dead owners; return their names. Templates and images stay."""
        ...

    def images(self) -> list[Image]:
        """List what :meth:`prepare_images` has built and what still is on disk."""
        ...

    def remove_image(self, name: str) -> None:
        """Remove one of :meth:`images`; harmless when repeated. Raises ``restore_failed`` while a sandbox needs it."""
        ...
