"""Real hosts for ``--mode host``: namespace machines with systemd and sshd, registered as if somebody kept them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pytest_2501bench.sandbox.host import HostProvider
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import Host, HostSpec
from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.repository import Store


@contextmanager
def machines(specs: Sequence[HostSpec], state: Path) -> Iterator[tuple[Host, ...]]:
    """Run one sandbox with *specs*; its ledger is in *state*, so no session takes it for its own."""
    provider = NamespaceProvider(state_dir=state)
    sandbox = provider.create(specs)
    try:
        yield sandbox.hosts
    finally:
        provider.destroy(sandbox)


def public_key(host: Host) -> str:
    """Return the host key, as ``type base64``."""
    for line in host.ssh.known_hosts.read_text().splitlines():
        name, key = line.split(" ", 1)
        if name == host.ssh.hostname:
            return " ".join(key.split()[:2])
    raise AssertionError(host.ssh.hostname)


def registered(host: Host, **changes: object) -> RegisteredHost:
    """Return *host* as somebody would register it."""
    fields: dict[str, object] = {
        "host_id": host.host_id,
        "host_name": host.host_name,
        "address": host.address,
        "ssh_address": host.ssh.address,
        "ssh_user": host.ssh.user,
        "ssh_key_file": str(host.ssh.identity_file),
        "host_key": public_key(host),
        "proxy_command": host.ssh.proxy_command,
    }
    return RegisteredHost.model_validate(fields | changes)


def inventory(hosts: Sequence[Host], path: Path, **variables: str) -> Path:
    """Write an Ansible inventory of *hosts* at *path*, as a user has one; *variables* go to every host."""
    lines = ["[kept]"]
    for host in hosts:
        ssh = host.ssh
        arguments = [f"-o ProxyCommand={shlex.quote(ssh.proxy_command or '')}", f"-o HostKeyAlias={ssh.hostname}"]
        own = {
            "ansible_host": ssh.address,
            "ansible_user": ssh.user,
            "ansible_ssh_private_key_file": str(ssh.identity_file),
            "known_hosts": str(ssh.known_hosts),
            "ansible_ssh_common_args": " ".join(arguments),
        }
        words = [f"{name}={shlex.quote(value)}" for name, value in {**own, **variables}.items()]
        lines.append(" ".join([host.host_name, *words]))
    path.write_text("\n".join(lines) + "\n")
    return path


def provider(url: str | None, place: Path, **more: object) -> HostProvider:
    """Return a provider with its database (``DATABASE_URL`` or a file) and its state in *place*."""
    return HostProvider(lambda: Store.open(url, place), place / "state", bench_dir=place, **more)  # type: ignore[arg-type]


def from_environment() -> HostProvider:
    """Return one for the conformance suite, which also makes them in a process of its own."""
    return provider(os.environ.get("CONFORMANCE_DATABASE"), Path(os.environ["CONFORMANCE_STATE"]))
