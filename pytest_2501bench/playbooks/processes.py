"""End a playbook with everything it started.

Ansible's workers are sessions of their own: a signal to the process group reaches none of them, and a worker whose
parent died is nobody's child any more. So the tree is written down before the first signal, and on Linux the processes
are also found by a mark in their environment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.playbooks.environment import TOKEN

_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A process and when it started, so that a reused number is not taken for it."""

    pid: int
    started: str


def _read_linux() -> dict[int, tuple[int, str, bool]]:
    """Return pid → (parent, start, zombie) from /proc."""
    table: dict[int, tuple[int, str, bool]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                # The name in parentheses may hold blanks and parentheses itself.
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                table[int(entry.name)] = (int(fields[1]), fields[19], fields[0] in "ZX")
    return table


def _read_ps() -> dict[int, tuple[int, str, bool]]:
    """Return pid → (parent, start, zombie) from ps."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat=,lstart="], capture_output=True, text=True, check=False, timeout=10
    ).stdout
    table: dict[int, tuple[int, str, bool]] = {}
    for line in listing.splitlines():
        pid, parent, state, started = line.split(None, 3)
        table[int(pid)] = (int(parent), started, state.startswith("Z"))
    return table


def _table() -> dict[int, tuple[int, str, bool]]:
    return _read_linux() if sys.platform == "linux" else _read_ps()


def descendants(root: int) -> set[Process]:
    """Return the living processes of the tree at *root*, itself included."""
    table = _table()
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found: set[Process] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        if pid in table and not table[pid][2]:
            found.add(Process(pid, table[pid][1]))
    return found


def marked(token: str) -> set[Process]:
    """Return the living processes whose environment carries *token*; empty where there is no /proc."""
    if not token or sys.platform != "linux":
        return set()
    mark = f"{TOKEN}={token}".encode()
    found: set[Process] = set()
    for pid, (_, started, zombie) in _read_linux().items():
        with suppress(OSError):
            if not zombie and mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.add(Process(pid, started))
    return found


def _living(processes: set[Process]) -> set[Process]:
    table = _table()
    return {p for p in processes if p.pid in table and table[p.pid][1] == p.started and not table[p.pid][2]}


def _signal(processes: set[Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def end_after(processes: set[Process], seconds: float) -> None:
    """Kill what still lives of *processes* when *seconds* are over; return when none does."""
    until = time.monotonic() + seconds
    while living := _living(processes):
        if time.monotonic() > until:
            _signal(living, signal.SIGKILL)
        time.sleep(_POLL)


def end_tree(root: int, token: str, grace: float) -> None:
    """End the playbook whose main process is *root*; return when nothing of it lives.

    The main process is asked first (SIGTERM: it tells its workers and cleans up), then, after *grace* seconds or as
    soon as it is gone, what is left is killed.
    """
    everything = descendants(root) | marked(token)
    main = {p for p in everything if p.pid == root}
    try:
        _signal(main, signal.SIGTERM)
        _signal(main, signal.SIGCONT)  # a stopped process would not hear it
        until = time.monotonic() + grace
        while _living(main) and time.monotonic() < until:
            everything |= descendants(root)
            time.sleep(_POLL)
    finally:
        # Also on a second Ctrl-C. A process may start another one between reading and killing, hence the repetition.
        for _ in range(50):
            everything = _living(everything | descendants(root) | marked(token))
            if not everything:
                break
            _signal(everything, signal.SIGKILL)
            time.sleep(_POLL)
