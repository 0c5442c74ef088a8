"""Judgement on the facts: what stands in the way of the mode, and what its hosts can do. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_2501bench.sandbox.namespace.machine import Machine
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES, Capabilities, Obstacle
from pytest_2501bench.sandbox.templates import TEMPLATES, Template, unknown_template

KERNEL = (5, 11)  # overlay mounts in user namespaces
UTIL_LINUX = (2, 38)  # unshare --map-auto
SUB_IDS = 65536
# Not fit to be the upper layer of an overlay.
NO_UPPER = frozenset({"overlay", "nfs", "nfs4", "cifs", "smb3", "vfat", "exfat", "9p", "fuseblk", "ecryptfs", "ntfs3"})
_PACKAGES = {
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "hostname": "hostname",
    "mount": "mount",
}


def obstacles(machine: Machine) -> list[Obstacle]:
    """Return everything in the way on *machine*, each with what to do about it; empty when the mode works."""
    if machine.system != "Linux":
        return [
            Obstacle(
                f"namespaces are a feature of Linux, and this is {machine.system}",
                "Use --mode lima, or run inside a Linux machine.",
            )
        ]
    found = [*_system(machine), *_users(machine)]
    if not found and machine.unshare_error:
        # Nothing known explains it: say what the trial said.
        found.append(Obstacle(f"namespaces cannot be made here: {machine.unshare_error}", _trial_remedy(machine)))
    return [*found, *_files(machine)]


def _trial_remedy(machine: Machine) -> str:
    if machine.in_container:
        return "In a container, start it with --privileged (or as an ordinary user: --security-opt seccomp=unconfined)."
    return "Try `unshare --mount --net --pid --fork true`, and see `dmesg` or the security module's log for the reason."


def _system(machine: Machine) -> list[Obstacle]:
    found = []
    if machine.kernel < KERNEL:
        version = ".".join(map(str, machine.kernel))
        found.append(Obstacle(f"kernel {version} is too old", "Linux 5.11 or newer is needed."))
    if machine.missing_programs:
        packages = sorted({_PACKAGES.get(name, "util-linux") for name in machine.missing_programs})
        found.append(
            Obstacle(
                f"programs missing: {', '.join(sorted(machine.missing_programs))}",
                f"Run `apt-get install {' '.join(packages)}` as root.",
            )
        )
    return found


def _users(machine: Machine) -> list[Obstacle]:
    if machine.root:
        return []
    found = []
    if machine.max_user_namespaces == 0:
        found.append(
            Obstacle(
                "user namespaces are switched off (user.max_user_namespaces=0)",
                "As root: `sysctl -w user.max_user_namespaces=65536`, or run as root.",
            )
        )
    if not machine.unprivileged_userns_clone:
        found.append(
            Obstacle(
                "user namespaces are for root only (kernel.unprivileged_userns_clone=0)",
                "As root: `sysctl -w kernel.unprivileged_userns_clone=1`, or run as root.",
            )
        )
    if machine.apparmor_restricts and machine.unshare_error:
        found.append(
            Obstacle(
                "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns=1)",
                "As root: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or run as root.",
            )
        )
    if not machine.has_uidmap:
        found.append(Obstacle("newuidmap and newgidmap are missing", "Run `apt-get install uidmap` as root."))
    if min(machine.subuids, machine.subgids) < SUB_IDS:
        found.append(
            Obstacle(
                f"user {machine.user} has no range of {SUB_IDS} subordinate ids in /etc/subuid and /etc/subgid",
                f"As root: `usermod --add-subuids 200000-265535 --add-subgids 200000-265535 {machine.user}` "
                "(any range that nobody else has).",
            )
        )
    if "unshare" not in machine.missing_programs and machine.util_linux < UTIL_LINUX:
        version = ".".join(map(str, machine.util_linux))
        found.append(
            Obstacle(
                f"util-linux {version} is too old for an ordinary user", "2.38 is needed (Debian 12), or run as root."
            )
        )
    return found


def _files(machine: Machine) -> list[Obstacle]:
    found = []
    if machine.cache_filesystem in NO_UPPER or machine.cache_filesystem.startswith("fuse."):
        found.append(
            Obstacle(
                f"{machine.cache_dir} is on {machine.cache_filesystem}, which cannot carry an overlay's writable layer",
                "Set BENCH_CACHE_DIR to a directory on ext4, xfs, btrfs or tmpfs.",
            )
        )
    if not re.fullmatch(r"[A-Za-z0-9._/@+-]+", str(machine.cache_dir)):
        found.append(
            Obstacle(
                f"the path {machine.cache_dir} has characters that overlay mounts or ssh_config treat specially",
                "Set BENCH_CACHE_DIR to a path of letters, digits and ._-/@+ only.",
            )
        )
    if not machine.rootfs_built:
        if not machine.has_mmdebstrap:
            found.append(
                Obstacle(
                    "mmdebstrap is missing, and the base root filesystem is not built yet",
                    "Run `apt-get install mmdebstrap` as root.",
                )
            )
        if not machine.has_debian_keyring:
            found.append(
                Obstacle(
                    "Debian's archive keys are missing, and the base root filesystem is not built yet",
                    "Run `apt-get install debian-archive-keyring` as root.",
                )
            )
    return found


def _no_systemd(machine: Machine) -> str:
    if machine.root:
        what = "no cgroup v2 hierarchy that can be written to"
        return f"systemd needs one, and there is {what}: mount cgroup2, or start the container with --privileged"
    return (
        "systemd needs a delegated cgroup: run under `systemd-run --user --scope -p Delegate=yes`, "
        "in a session of a systemd user manager, or as root"
    )


def _no_containers(machine: Machine, definition: Template) -> str:
    """Return why podman and docker do not work in hosts made from *definition*, or nothing if they do."""
    if "nested-containers" not in definition.requires:
        return f"template {definition.name} has no container engine: use debian-podman or debian-docker"
    if machine.cgroup_mode != "root":
        return "containers inside a host of --mode namespace need root, and a cgroup v2 hierarchy of root's"
    return ""


def capabilities(machine: Machine, template: str, templates: Mapping[str, Template] = TEMPLATES) -> Capabilities:
    """Say what hosts made from *template* can do on *machine*; nothing, if it cannot be made here."""
    definition = templates.get(template)
    if definition is None:
        reason = f"--mode namespace: {unknown_template(template, templates)}"
        return Capabilities(frozenset(), dict.fromkeys(KNOWN_CAPABILITIES, reason))
    missing = {
        "own-kernel": "hosts of --mode namespace share the machine's kernel",
        "kubernetes": "Kubernetes needs a kernel of its own: k3s in a VM",
    }
    if not machine.cgroup_mode:
        missing["systemd"] = _no_systemd(machine)
    if no_containers := _no_containers(machine, definition):
        missing["nested-containers"] = no_containers
    lacked = next((word for word in definition.requires if word in missing), None)
    if lacked is not None:
        reason = f"template {template} needs {lacked}: {missing[lacked]}"
        return Capabilities(frozenset(), dict.fromkeys(KNOWN_CAPABILITIES, reason))
    names = frozenset({"network", "snapshot", "systemd", "nested-containers"}) - missing.keys()
    return Capabilities(names, missing, ram_gb=definition.ram_gb / 4)
