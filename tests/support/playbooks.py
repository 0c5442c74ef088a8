"""What tests of playbooks share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from pytest_2501bench.evidence.model import PlaybookRecord

MARK = f"LIMA_HOME=/nonexistent/{os.getpid()}"  # a harmless variable that Ansible is given: tells our processes apart
Run = Callable[..., PlaybookRecord]


def processes(mark: str) -> dict[int, str]:
    """Return the living processes whose command line holds *mark*, this one excepted."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if mark in line:
                found[int(entry.name)] = line
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def of_playbooks() -> set[int]:
    """Return the living processes of the playbooks of this test session, whatever became of their parents.

    They are known by a variable of their environment. The warm servers of our own runners are meant to stay.
    """
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                marked = MARK.encode() in (entry / "environ").read_bytes()
                ours = parent(int(entry.name)) == os.getpid() and b"warm_server.py" in (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marked and not ours:
                found.add(int(entry.name))
    return found


def wait_for(condition: Callable[[], object], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
