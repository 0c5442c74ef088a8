"""What this machine offers for namespaces: plain facts, gathered once, so that judgement can be tested row by row."""

from __future__ import annotations

import os
import platform
import pwd
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("unshare", "nsenter", "ip", "mount", "pivot_root", "hostname", "setpriv", "setsid", "ssh", "ssh-keygen")


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about machine and user. The defaults describe a machine on which everything works."""

    system: str = "Linux"
    kernel: tuple[int, int] = (6, 1)
    root: bool = True
    user: str = "root"
    missing_programs: frozenset[str] = frozenset()
    util_linux: tuple[int, int] = (2, 38)
    unshare_error: str = ""  # what a trial said; empty: it worked
    max_user_namespaces: int = 65536
    unprivileged_userns_clone: bool = True  # Debian's own switch; True where there is none
    apparmor_restricts: bool = False
    in_container: bool = False
    has_uidmap: bool = True
    subuids: int = 65536
    subgids: int = 65536
    has_mmdebstrap: bool = True
    has_debian_keyring: bool = True
    rootfs_built: bool = False
    cache_dir: Path = Path("/var/cache/bench")
    cache_filesystem: str = "ext4"
    cgroup_mount: Path | None = Path("/sys/fs/cgroup")
    cgroup_mode: str = "root"  # root, own (ours is delegated), systemd-run, or empty: no cgroup to give away


def _number(path: str, default: int) -> int:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return default


def _version(text: str) -> tuple[int, int]:
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _output(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _sub_ids(path: str, user: str) -> int:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    rows = [line.split(":") for line in lines]
    return max((int(row[2]) for row in rows if len(row) == 3 and row[0] in (user, str(os.geteuid()))), default=0)


def filesystem_of(path: Path) -> str:
    """Return the type of the file system on which *path* lies or would lie."""
    existing = path.resolve()
    while not existing.exists():
        existing = existing.parent
    device = existing.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    kind, longest = "", -1
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if existing.is_relative_to(fields[4]) and (fields[2] == name or not kind) and len(fields[4]) >= longest:
            kind, longest = right.split()[0], len(fields[4])
    return kind


def _cgroup2_mount() -> tuple[Path, bool] | None:
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2":
            return Path(where), "rw" in options.split(",")
    return None


def own_cgroup(mount: Path) -> Path:
    """Return the cgroup v2 directory of this process."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        if line.startswith("0::"):
            return mount / line[3:].lstrip("/")
    return mount


def _cgroup_mode(*, root: bool) -> tuple[Path | None, str]:
    found = _cgroup2_mount()
    if found is None or not found[1]:
        return (found[0] if found else None), ""
    mount = found[0]
    if root:
        return mount, "root" if os.access(mount, os.W_OK) else ""
    own = own_cgroup(mount)
    if all(os.access(path, os.W_OK) for path in (own, own / "cgroup.procs")):
        return mount, "own"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime, "systemd/private").exists() and shutil.which("systemd-run"):
        trial = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "-p", "Delegate=yes", "true"]
        if subprocess.run(trial, capture_output=True, check=False, timeout=10).returncode == 0:
            return mount, "systemd-run"
    return mount, ""


def _unshare_trial(*, root: bool) -> str:
    """Try what a sandbox needs and return what stood in the way; the surest probe of all."""
    users = [] if root else ["--user", "--map-auto", "--map-root-user"]
    # Mounting /proc is what a container around us forbids by covering parts of its own.
    spaces = ["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--mount-proc"]
    argv = ["unshare", *users, *spaces, "mount", "-t", "tmpfs", "none", "/tmp"]  # noqa: S108 # in a namespace of its own
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]


def gather(cache_dir: Path, *, rootfs_built: bool = False) -> Machine:
    """Look at this machine. Creates nothing that lasts."""
    if sys.platform != "linux":
        return Machine(system=platform.system(), root=os.geteuid() == 0, cache_dir=cache_dir)
    root = os.geteuid() == 0
    user = pwd.getpwuid(os.geteuid()).pw_name
    missing = frozenset(name for name in PROGRAMS if shutil.which(name, path=search_path()) is None)
    mount, mode = _cgroup_mode(root=root)
    return Machine(
        kernel=_version(platform.release()),
        root=root,
        user=user,
        missing_programs=missing,
        util_linux=_version(_output("unshare", "--version")),
        unshare_error="" if "unshare" in missing else _unshare_trial(root=root),
        max_user_namespaces=_number("/proc/sys/user/max_user_namespaces", 1),
        unprivileged_userns_clone=_number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 1,
        apparmor_restricts=_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1,
        in_container=Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
        has_uidmap=all(shutil.which(name) for name in ("newuidmap", "newgidmap")),
        subuids=_sub_ids("/etc/subuid", user),
        subgids=_sub_ids("/etc/subgid", user),
        has_mmdebstrap=shutil.which("mmdebstrap") is not None,
        has_debian_keyring=Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists(),
        rootfs_built=rootfs_built,
        cache_dir=cache_dir,
        cache_filesystem=filesystem_of(cache_dir),
        cgroup_mount=mount,
        cgroup_mode=mode,
    )


def search_path() -> str:
    """Return a PATH that has the administrator's folders, which an ordinary user's PATH lacks on Debian."""
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
