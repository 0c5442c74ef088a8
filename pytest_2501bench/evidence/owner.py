"""Who works on a run or benchmark: ``owner.json``, so that nobody takes a living session's run for a crashed one."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path

from pytest_2501bench.evidence.model import Record

OWNER_FILE = "owner.json"


class Owner(Record):
    """One process. A pid alone is reused; with the machine, its boot and the start time it is unique."""

    pid: int
    started: str  # of the process, in the system's own words: compared, never parsed
    world: str  # boot of the machine and pid namespace, in which the pid means something

    @classmethod
    def current(cls) -> Owner:
        """Return this process."""
        return cls(pid=os.getpid(), started=_process_start(os.getpid()) or "", world=_world())

    def alive(self) -> bool:
        """Return whether the process still runs here.

        One of another machine or container counts as gone: its runs would otherwise stay unimported for good. Should
        it live after all, its own report replaces what was recorded meanwhile.
        """
        return self.world == _world() and bool(self.started) and _process_start(self.pid) == self.started


def owner_line() -> str:
    """Return the content of ``owner.json`` for this process."""
    return json.dumps(Owner.current().model_dump(), sort_keys=True) + "\n"


def owner_alive(folder: Path) -> bool:
    """Return whether the process named in *folder*'s ``owner.json`` still runs; no (readable) file means no owner."""
    try:
        return Owner.model_validate_json((folder / OWNER_FILE).read_bytes()).alive()
    except (OSError, ValueError):
        return False


@functools.cache
def _world() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # macOS
        return _output("sysctl", "-n", "kern.boottime") or "unknown"


def _process_start(pid: int) -> str | None:
    """Return when *pid* was started, or None when there is no such process (a zombie works on nothing either)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        return _output("ps", "-o", "lstart=", "-p", str(pid))
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name in parentheses may hold spaces and parentheses
    return None if fields[0] in "ZX" else fields[19]


def _output(*command: str) -> str | None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    return result.stdout.strip() or None
