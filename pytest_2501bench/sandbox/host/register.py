"""``2501bench hosts add``: one host, with a host key that somebody has vouched for."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.host.enrol import refuse_second_name
from pytest_2501bench.sandbox.host.host_key import find_keys, fingerprints, name_in_known_hosts, scan_keys
from pytest_2501bench.sandbox.host.identity import HOST_ID, stable_id
from pytest_2501bench.sandbox.host.inventory import own_key, proxy_with_values
from pytest_2501bench.store.model import RegisteredHost

if TYPE_CHECKING:
    from pytest_2501bench.sandbox.host.provider import HostProvider


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says of a host; None where it leaves the choice to us."""

    name: str
    address: str
    user: str | None
    key_file: Path | None
    port: int
    host_id: str | None
    python: str
    proxy_command: str | None
    known_hosts: Path | None


def host_to_register(
    provider: HostProvider, wanted: Wanted, confirm: Callable[[str], bool], say: Callable[[str], None]
) -> RegisteredHost:
    """Return the host with its key: from *wanted.known_hosts*, else from itself when *confirm* says yes to it.

    Raises:
        BenchError: ``option_invalid``, or ``ssh_not_up`` when it has to be asked and does not answer.
    """
    user = wanted.user or getpass.getuser()
    key_file = (wanted.key_file.expanduser() if wanted.key_file else own_key() or Path("~/.ssh/id_ed25519")).absolute()
    if not key_file.is_file():
        raise BenchError(Cause.OPTION_INVALID, f"--key-file {key_file}: no such file.")
    if key_file.suffix == ".pub":
        raise BenchError(
            Cause.OPTION_INVALID, f"--key-file {key_file}: is a public key.", remedy="Name the private one."
        )
    org_id = provider.org_id
    known = {host.host_name: host for host in provider.hosts()}
    host_id = wanted.host_id or (known[wanted.name].host_id if wanted.name in known else stable_id(org_id, wanted.name))
    if not HOST_ID.fullmatch(host_id):
        raise BenchError(Cause.OPTION_INVALID, f"--id {host_id}: must be hst_ and letters, digits, - or _.")
    proxy = proxy_with_values(wanted.proxy_command, wanted.address, wanted.port, user)
    host = RegisteredHost(
        host_id=host_id,
        host_name=wanted.name,
        address=wanted.address,
        ssh_address=wanted.address,
        ssh_port=wanted.port,
        ssh_user=user,
        ssh_key_file=str(key_file),
        host_key="",
        proxy_command=proxy,
        python=wanted.python,
        org_id=org_id,
    )
    refuse_second_name(provider.store, host, wanted.name)
    return host.model_copy(update={"host_key": "\n".join(_keys(wanted, proxy, confirm, say))})


def _keys(
    wanted: Wanted, proxy: str | None, confirm: Callable[[str], bool], say: Callable[[str], None]
) -> tuple[str, ...]:
    if wanted.known_hosts is not None:
        name = name_in_known_hosts(wanted.address, wanted.port)
        keys = find_keys(wanted.known_hosts.expanduser(), name) or find_keys(wanted.known_hosts, wanted.name)
        if not keys:
            raise BenchError(Cause.OPTION_INVALID, f"--known-hosts {wanted.known_hosts}: has no host key of {name}.")
        return keys
    keys = scan_keys(wanted.address, wanted.port, proxy)
    shown = f"{wanted.name} shows the host key {', '.join(fingerprints(keys))}"
    say(shown)
    if not confirm(shown):
        raise BenchError(
            Cause.OPTION_INVALID,
            f"{wanted.name}: its host key was not confirmed; it is not registered.",
            remedy="Compare the fingerprint with the host's own (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on "
            "it), then say --accept-host-key, or name a known_hosts file with --known-hosts.",
        )
    return keys
