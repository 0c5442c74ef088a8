"""Leases: who owns which sandbox, written before it is created, so that nothing can be left behind unnamed.

One JSON file per row in one directory, replaced atomically; a lock file serializes writers and reapers. A row says
which process owns the sandbox by pid *and* start time, because pids are reused.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pytest_2501bench.process_identity import Process, this_process

KEPT = 0
"""Owner of a sandbox that outlives its session on purpose (``2501bench sandbox prepare``); never reaped."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One row: a sandbox, or what is left of one."""

    mode: str
    name: str
    owner: Process
    session: str
    created_at: float  # seconds since the epoch

    def owner_alive(self) -> bool:
        """Say whether the owner still runs. An owner in another container, where we cannot look, counts as alive."""
        if self.owner.pid == KEPT:
            return True
        return self.owner.out_of_sight() or self.owner.alive()


class Ledger:
    """The rows of one user on this machine, shared by all sessions and modes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def reaping(self) -> Iterator[bool]:
        """Hold the right to reap; yields False when another process has it, and then there is nothing to do."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.directory / ".reaper").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _write(self, lease: Lease) -> None:
        temporary = self.directory / f".{lease.name}.{os.getpid()}"
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(asdict(lease), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.directory / f"{lease.name}.json")

    def add(self, mode: str, name: str, session: str) -> Lease:
        """Write the row of a sandbox that is about to be created by this process, and return it."""
        lease = Lease(mode, name, this_process(), session, time.time())
        with self._locked():
            self._write(lease)
        return lease

    def keep(self, name: str) -> None:
        """Let the sandbox outlive its session."""
        with self._locked():
            for lease in self._read():
                if lease.name == name:
                    self._write(replace(lease, owner=Process(KEPT, "", "")))

    def remove(self, name: str) -> None:
        """Forget a sandbox; harmless when repeated."""
        with self._locked():
            (self.directory / f"{name}.json").unlink(missing_ok=True)

    def leases(self, mode: str | None = None) -> list[Lease]:
        """Return the rows (of *mode*), oldest first."""
        with self._locked():
            rows = [lease for lease in self._read() if mode in (None, lease.mode) or not lease.mode]
        return sorted(rows, key=lambda lease: lease.created_at)

    def _read(self) -> Iterator[Lease]:
        for path in self.directory.glob("*.json"):
            yield _parse(path)


def _parse(path: Path) -> Lease:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        owner = Process(row["owner"]["pid"], row["owner"]["started"], row["owner"]["world"])
        return Lease(row["mode"], row["name"], owner, row["session"], row["created_at"])
    except (ValueError, KeyError, TypeError):
        # A full disk or a power cut: whose it was is lost, but its name is not, and nobody can prove to need it.
        return Lease("", path.stem, Process(-1, "", ""), "", 0.0)
