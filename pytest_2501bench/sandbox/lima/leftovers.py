"""Ends processes that nobody would end any more: calls of limactl by dead owners, Lima's own SSH connections."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from pytest_2501bench.sandbox.lima.limactl import environment


def exit_master(directory: Path) -> None:
    """End Lima's own SSH connection to the instance in *directory*, if there is one.

    A forced deletion kills its owner, the host agent, and with it the only one who would. Mostly the connection breaks
    with the machine; but on a network that instances share it goes through a process that lives on.
    """
    socket = directory / "ssh.sock"
    if not socket.exists():
        return
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            ["ssh", "-F", "/dev/null", "-S", str(socket), "-O", "exit", "lima"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env=environment(),
            timeout=10,
        )


def end_noted(calls: Path) -> None:
    """End the calls that a dead owner left running, and let no further one begin."""
    closed = calls.with_name(f"{calls.name}.closed")
    with contextlib.suppress(OSError):
        calls.rename(closed)  # from now on a call that was about to begin cannot note itself, and does not run
    for note in sorted(closed.glob("*")):
        pid = int(note.name)
        # Pids are reused: it is ours if it is limactl (or the shell that becomes it) and was there before the note.
        if not _is_call(pid):
            continue
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(pid, number)
            except OSError:
                break
            deadline = time.monotonic() + 5
            while _is_call(pid) and time.monotonic() < deadline:
                time.sleep(0.05)


def _is_call(pid: int) -> bool:
    done = subprocess.run(
        ["ps", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False, env=environment()
    )
    state, _, arguments = done.stdout.strip().partition(" ")
    return bool(state) and not state.startswith("Z") and "limactl" in arguments
