"""What the host has in tables: packages, users, groups, mounts, crontabs, kernel settings."""
# pathlib takes longer to import than all of this to run:
# ruff: noqa: PTH110, PTH115

from __future__ import annotations

import os
import stat

from pytest_2501bench.host_state.on_host.ground import (
    Program,
    clean,
    digest,
    fingerprint,
    lines,
    listing,
    read,
    users_by_id,
    words_of,
)

_CRON = ("/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly")
_SPOOLS = ("/var/spool/cron/crontabs", "/var/spool/cron", "/var/spool/cron/atjobs", "/var/spool/at")
# Of logins, containers and systemd itself: they come and go.
_COME_AND_GO = (
    "/proc/",
    "/sys/",
    "/dev/",
    "/run/user/",
    "/run/credentials/",
    "/run/systemd/",
    "/run/netns/",
    "/run/docker/",
    "/run/containerd/",
    "/run/k3s/",
    "/var/lib/docker/",
    "/var/lib/containerd/",
    "/var/lib/containers/",
    "/var/lib/kubelet/",
    "/var/lib/incus/",
    "/var/lib/lxcfs",
)
# They change by themselves, or are no settings: to read or write them does something.
_NO_SETTING = words_of(
    "fs.dentry-state fs.inode-nr fs.inode-state fs.file-nr fs.aio-nr kernel.ns_last_pid kernel.tainted "
    "kernel.perf_event_max_sample_rate kernel.cad_pid kernel.pty.nr vm.stat_refresh vm.drop_caches vm.compact_memory "
    "net.netfilter.nf_conntrack_count net.ipv4.route.flush net.ipv6.route.flush kernel.hotplug kernel.latencytop"
)
_NO_SETTINGS = ("kernel.random", "fs.binfmt_misc", "fs.quota", "kernel.keys", "net.core.rps_default_mask")
_SECRET = ("tcp_fastopen_key", "stable_secret", "netdev_rss_key")
_FIRST_PID_SPACE = "pid:[4026531836]"  # the kernel's own number for it
# With a kernel that others use too, only these are the host's own.
_OF_A_NAMESPACE = (
    "net.",
    "kernel.hostname",
    "kernel.domainname",
    "kernel.sem",
    "kernel.shm",
    "kernel.msg",
    "fs.mqueue",
)


def packages(rpm: Program) -> dict[str, str]:
    """Return the packages of dpkg, apk or rpm."""
    found: dict[str, str] = {}
    fields: dict[str, str] = {}
    for line in [*lines("/var/lib/dpkg/status"), ""]:
        if line.startswith(("Package: ", "Status: ", "Version: ", "Architecture: ")):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and "Package" in fields:
            wanted, _, state = (
                fields.get("Status", "").split(" ") if fields.get("Status", "").count(" ") == 2 else [""] * 3
            )
            if state not in ("not-installed", "config-files"):
                told = [("version", fields.get("Version", ""))]
                told += [("status", state)] if state != "installed" else []
                told += [("hold", "")] if wanted == "hold" else []
                name = fields["Package"]
                found[name if name not in found else f"{name}:{fields.get('Architecture', '')}"] = fingerprint(told)
            fields = {}
    name = ""
    for line in lines("/lib/apk/db/installed"):
        if line.startswith("P:"):
            name = line[2:]
        elif line.startswith("V:") and name:
            found[name] = fingerprint([("version", line[2:])])
    for line in rpm.output():
        name, _, version = line.partition("\t")
        found[name if name not in found else f"{name} {version}"] = fingerprint([("version", version)])
    return found


def rpm() -> Program:
    """Ask rpm, where its database is."""
    if any(os.path.exists(folder) for folder in ("/var/lib/rpm", "/usr/lib/sysimage/rpm")):
        return Program("rpm", "-qa", "--qf", "%{NAME}.%{ARCH}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n")
    return Program("")


def users() -> dict[str, str]:
    """Return the accounts; of a password only whether there is one, and whether it is the same."""
    shadow = {parts[0]: parts for parts in (line.split(":") for line in lines("/etc/shadow")) if len(parts) > 7}
    found = {}
    for parts in (line.split(":") for line in lines("/etc/passwd")):
        if len(parts) < 7:
            continue
        name, place, uid, gid, comment, home, shell = parts[:7]
        told: list[tuple[str, object]] = [("uid", uid), ("gid", gid), ("home", home), ("shell", shell)]
        told += [("comment", clean(comment))] if comment.strip(",") else []
        entry = shadow.get(name)
        kept = entry[1] if entry is not None and place == "x" else place
        told.append(("password", "none" if not kept else "locked" if kept[0] in "!*" else "set"))
        if kept.strip("!*"):
            told.append(("secret", digest(kept.encode("utf-8", "surrogateescape"))))
        if entry is not None:
            told += [("change", "due")] if entry[2] == "0" else []
            told.append(("expiry", ":".join(entry[3:8])))
        found[clean(name)] = fingerprint(told)
    return found


def groups() -> dict[str, str]:
    """Return the groups with their members."""
    found = {}
    for parts in (line.split(":") for line in lines("/etc/group")):
        if len(parts) > 3:
            members = ",".join(sorted(filter(None, parts[3].split(","))))
            found[clean(parts[0])] = fingerprint([("gid", parts[2]), *([("members", members)] if members else [])])
    return found


def mounts() -> dict[str, str]:
    """Return what is mounted where; of several at one place the lowest and the uppermost."""
    found: dict[str, str] = {}
    for parts in (line.split(" ") for line in lines("/proc/self/mountinfo")):
        try:
            dash = parts.index("-")
        except ValueError:
            continue
        target = clean(parts[4].replace("\\040", " "))
        if target.startswith(_COME_AND_GO) and not target.startswith("/dev/shm"):  # noqa: S108 - no file is made there
            continue
        kind, source, options = parts[dash + 1], clean(parts[dash + 2]), parts[dash + 3]
        if kind == "overlay":  # where its layers are is the sandbox's own matter
            options = "rw" if "rw" in options.split(",") else "ro"
        told = [("type", kind), ("source", source), ("root", clean(parts[3])), ("options", parts[5]), ("of", options)]
        found[target if target not in found else f"{target} (above)"] = fingerprint(told)
    return found


def crontabs() -> dict[str, str]:
    """Return the system's and the users' crontabs, and jobs of ``at``, by path."""
    owners = users_by_id("/etc/passwd")
    found = {}
    paths = ["/etc/crontab", "/etc/anacrontab"]
    paths += [f"{folder}/{name}" for folder in (*_CRON, *_SPOOLS) for name in listing(folder)]
    for path in paths:
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                told: list[tuple[str, object]] = [("link", clean(os.readlink(path)))]
            elif not stat.S_ISREG(status.st_mode) or path.endswith((".SEQ", "/.placeholder")):
                continue
            else:
                told = [("mode", "%04o" % stat.S_IMODE(status.st_mode))]  # noqa: UP031
            told.append(("owner", owners.get(status.st_uid, status.st_uid)))
            told.append(("content", digest(read(path).encode("utf-8", "surrogateescape"))))
        except OSError:
            continue
        found[clean(path)] = fingerprint(told)
    return found


def settings() -> dict[str, str]:
    """Return the kernel's settings that can be written, of a shared kernel only those of the host's own namespaces."""
    try:
        alone = os.readlink("/proc/self/ns/pid") == _FIRST_PID_SPACE
    except OSError:
        alone = False
    found = {}
    folders = ["net", "fs", "vm", "kernel"] if alone else ["net", "kernel", "fs/mqueue"]
    while folders:
        folder = folders.pop()
        try:
            inner = list(os.scandir("/proc/sys/" + folder))
        except OSError:
            continue
        for entry in inner:
            path = folder + "/" + entry.name
            name = path.replace(".", "-").replace("/", ".") if "." in path else path.replace("/", ".")
            if name in _NO_SETTING or name.startswith(_NO_SETTINGS):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif (alone or name.startswith(_OF_A_NAMESPACE)) and _is_setting(entry.stat().st_mode):
                value = " ".join(read("/proc/sys/" + path).split())
                secret = name.endswith(_SECRET)
                found[name] = fingerprint([("value", digest(value.encode()) if secret and value else clean(value))])
    return found


def _is_setting(mode: int) -> bool:
    return bool(mode & 0o222 and mode & 0o444)
