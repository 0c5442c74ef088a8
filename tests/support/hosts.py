"""Hosts of ``--mode namespace`` for tests, and a look at what a sandbox leaves on the machine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.sandbox.namespace.access import ssh_argv
from pytest_2501bench.sandbox.protocol import Host, HostSpec

WEB = HostSpec("web-01", packages=("nginx-light",))
DB = HostSpec("db-01")


def on(host: Host, command: str, *, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run *command* on *host* with OpenSSH."""
    return subprocess.run(
        ssh_argv(host.ssh, command),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


@dataclass(frozen=True)
class Traces:
    """What names a sandbox anywhere on the machine. Other sandboxes may come and go meanwhile."""

    processes: tuple[str, ...]
    mounts: tuple[str, ...]
    cgroups: tuple[str, ...]
    links: tuple[str, ...]
    files: tuple[str, ...]

    def __bool__(self) -> bool:
        return any((self.processes, self.mounts, self.cgroups, self.links, self.files))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def traces(name: str, directory: Path, namespaces: frozenset[str] = frozenset()) -> Traces:
    """Return what is left of sandbox *name*, whose directory is *directory* and which had these *namespaces*."""
    processes = [
        f"{process.name} {_text(process / 'cmdline')}"
        for process in Path("/proc").glob("[0-9]*")
        # Not a corpse: ssh leaves its proxy to the machine's init, which may take its time.
        if ") Z " not in _text(process / "stat")
        and (
            name in _text(process / "cmdline")
            or name in _text(process / "cgroup")
            or namespaces_of(int(process.name)) & namespaces
        )
    ]
    roots = [Path(line.split()[1]) for line in _text(Path("/proc/mounts")).splitlines() if " cgroup2 " in line]
    return Traces(
        tuple(processes),
        tuple(line for line in _text(Path("/proc/mounts")).splitlines() if name in line),
        tuple(str(path) for root in roots for path in root.glob(f"**/{name}")),
        tuple(line for line in _text(Path("/proc/net/dev")).splitlines() if line.strip().startswith(("up1:", "br0:"))),
        tuple(str(path) for path in [directory] if path.exists()),
    )


def namespaces_of(pid: int) -> frozenset[str]:
    """Return the network and pid namespaces in which a process lives."""
    found = set()
    for kind in ("net", "pid"):
        try:
            found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
        except OSError:
            continue
    return frozenset(found)


def sandbox_namespaces(directory: Path) -> frozenset[str]:
    """Return the namespaces of the hub and the hosts of the sandbox in *directory*."""
    stats = [*directory.glob("hub.stat"), *directory.glob("*/init.stat")]
    found = [namespaces_of(int(path.read_text().split(" ", 1)[0])) for path in stats]
    assert all(found)
    return frozenset().union(*found) - namespaces_of(1)
