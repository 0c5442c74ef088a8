"""The short private directory of one session, with the SSH control sockets, and the end of their masters."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pytest_2501bench.scratch import make_scratch, sweep_scratch

# A socket's path has 104 bytes on macOS; ssh adds 17 while it makes one, we add the session's name and the host's.
_LONGEST_BASE = 50


def private_directory() -> Path:
    """Make a new directory, mode 0700, whose path is short and plain enough for control sockets.

    :func:`sweep` removes it if this process cannot.
    """
    base = tempfile.gettempdir()
    if len(os.fsencode(base)) > _LONGEST_BASE or any(c.isspace() or c in "%{}" for c in base):
        base = "/tmp"  # noqa: S108 - mkdtemp makes it private
    return make_scratch("25b-", Path(base))


def sweep() -> None:
    """End the SSH masters and remove the directories of sessions that were killed."""

    def end(directory: Path) -> None:
        sockets = directory / "c"
        if sockets.is_dir():
            end_masters(sorted(sockets.iterdir()), {"PATH": os.environ.get("PATH", os.defpath)})

    sweep_scratch(end)


def end_masters(sockets: Iterable[Path], environment: Mapping[str, str]) -> None:
    """End the SSH masters behind *sockets*, whether or not their host still answers; never raises for that."""
    running = [
        subprocess.Popen(
            ["ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}".replace("%", "%%"), "-O", "exit", "-q", "any"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for socket in sockets
        if socket.exists()
    ]
    for process in running:
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def remove(directory: Path, sockets: Path, environment: Mapping[str, str]) -> None:
    """End every master below *sockets* and remove *directory*; harmless when repeated."""
    if sockets.is_dir():
        end_masters(sorted(sockets.iterdir()), environment)
    shutil.rmtree(directory, ignore_errors=True)
