"""Who a process is, beyond its pid: pids are reused, within a boot, after a reboot and in every container."""

from __future__ import annotations

import functools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """Identity of a process that pid reuse, a reboot or another pid namespace cannot forge."""

    pid: int
    started: str  # in the system's own words: compared, never parsed
    world: str  # boot of the machine and pid namespace, in which the pid means something

    def alive(self) -> bool:
        """Return whether this very process still runs here; one of another machine or container does not."""
        return self.world == world() and bool(self.started) and start_time(self.pid) == self.started

    def out_of_sight(self) -> bool:
        """Return whether it belongs to another pid namespace of this boot, where we cannot look."""
        return self.world != world() and self.world.split(" ")[0] == world().split(" ")[0]


def this_process() -> Process:
    """Return the identity of the calling process."""
    return Process(os.getpid(), start_time(os.getpid()) or "", world())


@functools.cache
def world() -> str:
    """Return a name for this boot of this machine and, on Linux, our pid namespace (separated by a blank)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # macOS
        return (_output("sysctl", "-n", "kern.boottime") or "unknown").replace(" ", "-")


def start_time(pid: int) -> str | None:
    """Return when process *pid* started (opaque, comparable), or None if there is none, or only its corpse."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        return _output("ps", "-o", "lstart=", "-p", str(pid))
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name in parentheses may hold blanks and parentheses
    return None if fields[0] in "ZX" else fields[19]


def _output(*command: str) -> str | None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    return result.stdout.strip() or None
