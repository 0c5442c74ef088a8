"""One host as an Incus instance: what the server is asked for, and the private bridge that a sandbox's hosts share."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pytest_2501bench.sandbox.incus.server import CONFLICT, NOT_FOUND, IncusError, Server
from pytest_2501bench.sandbox.templates import Template

OWNER: Final = "user.2501bench.owner"
ROLE: Final = "user.2501bench.role"
SANDBOX: Final = "user.2501bench.sandbox"
TEMPLATE: Final = "user.2501bench.template"
PACKAGES: Final = "user.2501bench.packages"
FINGERPRINT: Final = "user.2501bench.fingerprint"
"""Keys of ours in an instance's configuration; nobody inside it can read them."""

TEMPLATE_KEYS: Final = (TEMPLATE, PACKAGES, FINGERPRINT)
SNAPSHOT: Final = "ready"
VM: Final = "virtual-machine"
TRIES: Final = 10
PAUSE: Final = 0.1  # seconds

NETWORK: Final = "10.78.0"
"""Every sandbox has a bridge of its own, so all use the same addresses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One instance as it is asked for; enough to make the same again."""

    instance: str
    source: str  # the instance whose snapshot is cloned
    pool: str
    network: str
    address: str
    vm: bool = False
    config: Mapping[str, str] = field(repr=False, default_factory=dict)  # with the host's private key

    def devices(self) -> dict[str, dict[str, str]]:
        """Return the root disk, and the one network card on the sandbox's own bridge."""
        return {
            "root": {"type": "disk", "path": "/", "pool": self.pool},
            "eth0": {"type": "nic", "network": self.network, "name": "eth0"},
        }

    def request(self) -> dict[str, Any]:
        """Return the body that clones the source's snapshot."""
        return {
            "name": self.instance,
            "type": VM if self.vm else "container",
            "source": {"type": "copy", "source": f"{self.source}/{SNAPSHOT}"},
            "profiles": [],
            # What a clone would inherit of a template's own marks is blanked.
            "config": {**dict.fromkeys(TEMPLATE_KEYS, ""), **self.config},
            "devices": self.devices(),
        }


def limits(template: Template) -> dict[str, str]:
    """Return what hosts of *template* may use and do, the same for every one."""
    config = {
        "limits.cpu": str(template.cpus),
        "limits.memory": f"{int(template.ram_gb * 1024)}MiB",
        # After a power cut the daemon must not start what nobody owns.
        "boot.autostart": "false",
        "security.guestapi": "false",
    }
    if "nested-containers" in template.requires:
        config["security.nesting"] = "true"
        # Unpacking an image's layers needs device nodes and attributes that the kernel refuses in a user namespace.
        config["security.syscalls.intercept.mknod"] = "true"
        config["security.syscalls.intercept.setxattr"] = "true"
    return config


def identity(
    host_name: str,
    addresses: Mapping[str, str],
    *,
    host_key: tuple[str, str],
    login_key: str,
    machine_id: str,
    vm: bool,
) -> dict[str, str]:
    """Return the configuration that makes one host differ from another; :mod:`.image` puts it into files.

    Args:
        host_name: of this host.
        addresses: of all hosts of the sandbox, by host name.
        host_key: private and public half, new for this host.
        login_key: public half of the sandbox's key.
        machine_id: 32 hexadecimal digits.
        vm: a kernel of its own, whose network Incus cannot set up from outside.
    """
    names = "".join(f"{address}\t{name}\n" for name, address in addresses.items())
    config = {
        "user.host_name": host_name,
        "user.hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{names}".rstrip(),
        "user.machine_id": machine_id,
        "user.host_key": host_key[0].rstrip(),
        "user.host_key_public": host_key[1],
        "user.login_key": login_key,
    }
    if not vm:
        # Set before pid 1 runs: neither DHCP nor a network daemon in the host is waited for.
        config["raw.lxc"] = f"lxc.net.0.ipv4.address={addresses[host_name]}/24"
    return config


def make_network(server: Server, name: str, marks: Mapping[str, str]) -> None:
    """Make a bridge with neither address nor route nor name server: its hosts see each other and nothing else.

    Raises:
        IncusError: the server refused; in particular who may not make networks is told so.
    """
    for attempt in range(TRIES):
        try:
            _make_network(server, name, marks)
        except IncusError as error:
            if attempt == TRIES - 1 or not _transient(error):
                raise
            remove_network(server, name)
            time.sleep(PAUSE)
        else:
            return


def _transient(error: IncusError) -> bool:
    """Tell a fault that a repetition cures: incusd looks at all network cards, and stumbles when one goes meanwhile."""
    return "Failed to run: ip" in error.text


def _make_network(server: Server, name: str, marks: Mapping[str, str]) -> None:
    body = {"name": name, "type": "bridge", "config": {"ipv4.address": "none", "ipv6.address": "none", **marks}}
    if not server.call("GET", "/1.0")["environment"].get("server_clustered"):
        server.call("POST", "/1.0/networks", body)
        return
    for member in server.call("GET", "/1.0/cluster/members", recursion="1"):
        # A cluster wants to hear of a network member by member, and then once for all.
        server.call("POST", "/1.0/networks", {"name": name, "type": "bridge"}, target=str(member["server_name"]))
    server.call("POST", "/1.0/networks", body)


def remove_network(server: Server, name: str) -> None:
    """Remove a bridge; a missing one is none to remove."""
    for attempt in range(TRIES):
        try:
            server.call("DELETE", f"/1.0/networks/{name}")
        except IncusError as error:
            if error.status == NOT_FOUND:
                return
            if attempt == TRIES - 1 or not _transient(error):
                raise
            time.sleep(PAUSE)
        else:
            return


def instances_of(server: Server, owner: str) -> list[dict[str, Any]]:
    """Return the instances that *owner* made, by the mark in their configuration."""
    return [row for row in server.instances() if row["config"].get(OWNER) == owner]


def bridges_of(server: Server, owner: str) -> set[str]:
    """Return the sandboxes whose bridges *owner* made."""
    rows = server.call("GET", "/1.0/networks", recursion="1")
    return {row["config"].get(SANDBOX, "") for row in rows if row["config"].get(OWNER) == owner}


def rename(server: Server, old: str, new: str) -> bool:
    """Give an instance another name; False if somebody has that name already."""
    try:
        server.run("POST", f"/1.0/instances/{old}", {"name": new})
    except IncusError as error:
        if error.status == CONFLICT or "already" in error.text:
            return False
        raise
    return True


def dump(plans: list[Plan]) -> str:
    """Return *plans* as text for :func:`parse`."""
    rows = [{name: getattr(plan, name) for name in Plan.__slots__} for plan in plans]
    return json.dumps([{**row, "config": dict(row["config"])} for row in rows])


def parse(text: str) -> list[Plan]:
    """Return what :func:`dump` wrote."""
    return [Plan(**row) for row in json.loads(text)]
