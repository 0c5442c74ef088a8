"""What a server and this machine offer for Incus: plain facts, and the judgement on them."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pytest_2501bench.sandbox.incus.remotes import Place
from pytest_2501bench.sandbox.incus.server import CALL_SECONDS, IncusError, Server
from pytest_2501bench.sandbox.namespace.machine import search_path
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES, Capabilities, Obstacle
from pytest_2501bench.sandbox.templates import Template, unknown_template

_PROGRAMS: Final = {"incus": "incus-client", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}
_SLOW: Final = ("dir",)
_HOW: Final = "`make incus` of the project's checkout sets one up on Debian; docs/sandboxes-incus.md says how by hand."


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server said. The defaults describe one on which everything works."""

    place: Place = field(default_factory=Place)
    missing_programs: frozenset[str] = frozenset()
    unreachable: str = ""  # why there was no answer
    socket_exists: bool = True
    socket_allowed: bool = True
    trusted: bool = True
    drivers: tuple[str, ...] = ("lxc",)  # kinds of instance that the server can run: lxc, qemu
    clustered: bool = False
    members: tuple[str, ...] = ()  # names, and groups with an @
    pool: str | None = "default"
    pool_driver: str = "btrfs"
    vm_missing: tuple[str, ...] = ()  # what a local machine lacks for VMs


def gather(server: Server, *, vm: bool = False) -> Facts:
    """Ask the server. Creates nothing."""
    place = server.place
    known: dict[str, Any] = {
        "place": place,
        "missing_programs": frozenset(name for name in _PROGRAMS if shutil.which(name, path=search_path()) is None),
        "vm_missing": _vm_missing() if vm and place.socket is not None else (),
    }
    if place.socket is not None:
        try:
            known["socket_exists"] = place.socket.exists()
            known["socket_allowed"] = not known["socket_exists"] or os.access(place.socket, os.R_OK | os.W_OK)
        except PermissionError:  # the folder of the socket is closed to us
            known["socket_allowed"] = False
        if not (known["socket_exists"] and known["socket_allowed"]):
            return Facts(**known)
        # Asked first by ourselves: httpcore leaves a socket open when nobody listens, as after a killed daemon.
        if refused := _refused(place.socket):
            return Facts(**known, unreachable=refused)
    try:
        about = server.call("GET", "/1.0")
        known["trusted"] = about["auth"] == "trusted"
        if not known["trusted"]:
            return Facts(**known)
        environment = about["environment"]
        known["drivers"] = tuple(word.strip() for word in environment["driver"].split("|"))
        known["clustered"] = bool(environment.get("server_clustered"))
        if known["clustered"]:
            members = [str(row["server_name"]) for row in server.call("GET", "/1.0/cluster/members", recursion="1")]
            groups = [f"@{row['name']}" for row in server.call("GET", "/1.0/cluster/groups", recursion="1")]
            known["members"] = (*members, *groups)
        known["pool"], known["pool_driver"] = _pool(server)
    except IncusError as error:
        known["unreachable"] = error.text
    return Facts(**known)


def _refused(path: Path) -> str:
    """Return why nobody takes a call at a socket; empty if somebody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CALL_SECONDS)
        try:
            probe.connect(str(path))
        except OSError as error:
            return str(error)
    return ""


def _pool(server: Server) -> tuple[str | None, str]:
    """Return the pool of the default profile's root disk, else the only one there is, and its driver."""
    drivers = {row["name"]: str(row["driver"]) for row in server.call("GET", "/1.0/storage-pools", recursion="1")}
    profile: Mapping[str, Any] = server.call("GET", "/1.0/profiles/default")
    roots = [device.get("pool") for device in profile["devices"].values() if device.get("path") == "/"]
    name = next((pool for pool in roots if pool in drivers), None)
    if name is None and len(drivers) == 1:
        name = next(iter(drivers))
    return name, drivers.get(name or "", "")


def _vm_missing() -> tuple[str, ...]:
    lack = []
    if not Path("/dev/kvm").exists():
        lack.append("/dev/kvm is missing (hardware virtualization is off, or this is a VM without nesting)")
    if not Path("/dev/vhost-vsock").exists():
        lack.append("/dev/vhost-vsock is missing (kernel module vhost_vsock)")
    if not any(shutil.which(name, path=search_path()) for name in ("qemu-system-x86_64", "qemu-system-aarch64")):
        lack.append("no qemu (package qemu-system-x86 or qemu-system-arm)")
    return tuple(lack)


def obstacles(facts: Facts, *, vm: bool = False) -> list[Obstacle]:
    """Return everything in the way, each with what to do about it; empty when the mode works. No I/O."""
    found = []
    if facts.missing_programs:
        packages = sorted({_PROGRAMS[name] for name in facts.missing_programs})
        found.append(
            Obstacle(
                f"programs missing: {', '.join(sorted(facts.missing_programs))}",
                f"As root: `apt-get install {' '.join(packages)}` (Debian 12: from its backports). {_HOW}",
            )
        )
    reach = _reach(facts)
    if reach is not None:
        return [*found, reach]
    target = facts.place.target
    if target is not None and not facts.clustered:
        found.append(Obstacle(f"--incus-remote {facts.place}: this server is in no cluster", f"Leave ':{target}' out."))
    elif target is not None and target not in facts.members:
        found.append(
            Obstacle(
                f"--incus-remote {facts.place}: the cluster has no member or group {target!r}",
                f"There are: {', '.join(facts.members)}.",
            )
        )
    if facts.pool is None:
        found.append(
            Obstacle(
                "it is not clear which storage pool to use: the default profile has no root disk, "
                "and there is not exactly one pool",
                "`incus storage create default btrfs`, then `incus profile device add default root disk path=/ "
                "pool=default`.",
            )
        )
    return [*found, *(_vm(facts) if vm else ())]


def _reach(facts: Facts) -> Obstacle | None:
    place = facts.place
    if place.socket is not None:
        start = f"Start it (`systemctl start incus`). {_HOW}"
        if not facts.socket_allowed:
            return Obstacle(
                f"no right to use the Incus daemon at {place.socket}",
                "As root: `usermod -aG incus-admin YOU`, then log in anew. Members of that group are as good as root.",
            )
        if not facts.socket_exists:
            return Obstacle(f"no Incus daemon: there is no {place.socket}", start)
        if facts.unreachable:
            return Obstacle(f"the Incus daemon at {place.socket} does not answer: {facts.unreachable}", start)
    elif facts.unreachable:
        return Obstacle(
            f"the Incus server {place.remote} ({place.address}) does not answer: {facts.unreachable}",
            f"`incus info {place.remote}:` shows more; `incus remote list` shows its address.",
        )
    if not facts.trusted:
        return Obstacle(
            f"the Incus server {place.remote} does not trust this user's certificate",
            f"There: `incus config trust add NAME`. Here: `incus remote add {place.remote} TOKEN`.",
        )
    return None


def _vm(facts: Facts) -> list[Obstacle]:
    if "qemu" not in facts.drivers:
        why = "; ".join(facts.vm_missing) or "its `incus info` shows no qemu driver"
        return [
            Obstacle(
                f"--incus-vm: the Incus server {facts.place.remote} cannot run virtual machines: {why}",
                "Leave --incus-vm out for containers, or use a machine with KVM, vhost_vsock and qemu, "
                "and restart Incus there.",
            )
        ]
    return []


def slow_pool(facts: Facts) -> str:
    """Return one line of advice if every clone copies whole root filesystems, else an empty string."""
    if facts.pool_driver not in _SLOW:
        return ""
    return (
        f"storage pool {facts.pool} is of kind {facts.pool_driver}: every clone copies the whole root filesystem, "
        "which takes 10 times as long as on btrfs or zfs (`incus storage create fast btrfs`, "
        "`incus profile device set default root pool=fast`)"
    )


def capabilities(name: str, templates: Mapping[str, Template], *, vm: bool) -> Capabilities:
    """Say what hosts made from the template called *name* can do."""
    template = templates.get(name)
    if template is None:
        what = f"--mode incus: {unknown_template(name, templates)}"
        return Capabilities(frozenset(), dict.fromkeys(KNOWN_CAPABILITIES, what))
    names = {"systemd", "network", "snapshot"}
    missing = {}
    if vm:
        names |= {"own-kernel", "nested-containers", "kubernetes"}
    else:
        missing["own-kernel"] = "Incus containers share the machine's kernel; --incus-vm gives a kernel of its own"
        missing["kubernetes"] = "k3s needs a kernel of its own; --incus-vm gives one"
        if "nested-containers" in template.requires:
            names.add("nested-containers")
        else:
            missing["nested-containers"] = (
                f"hosts of template {name} are made without the right to nest containers; "
                "templates that require nested-containers (debian-podman, debian-docker) have it"
            )
    lack = next((missing[word] for word in template.requires if word in missing), None)
    if lack is not None:
        return Capabilities(frozenset(), dict.fromkeys(KNOWN_CAPABILITIES, f"template {name}: {lack}"))
    return Capabilities(frozenset(names), missing, ram_gb=template.ram_gb)
