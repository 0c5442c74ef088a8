"""What an intake must not forget when its engine is killed: announced tickets, and records that are being worked."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_2501bench.engine.intake_wire import Announcement

GRACE = 120.0
"""Seconds after its deadline for which an announced record is still looked for."""


@dataclass(frozen=True, slots=True)
class Work:
    """A record that became a ticket. *given*: how many of the ticket's comments came with it."""

    correlation_id: str
    sys_id: str
    number: str
    ticket_id: str
    given: int


class Book:
    """Kept in a private file; may be used from several threads."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._expected: dict[str, tuple[float, Announcement]] = {}
        self._work: dict[str, Work] = {}
        if path.exists():
            said = json.loads(path.read_bytes())
            for correlation_id, since, announcement in said["expected"]:
                self._expected[correlation_id] = (since, Announcement.model_validate(announcement))
            self._work = {fields["correlation_id"]: Work(**fields) for fields in said["work"]}

    def expect(self, correlation_id: str, announcement: Announcement) -> None:
        """Look for a record from now on."""
        with self._lock:
            self._expected[correlation_id] = (self._clock(), announcement)
            self._keep()

    def forget(self, correlation_id: str) -> None:
        """No longer look for it."""
        with self._lock:
            if self._expected.pop(correlation_id, None) is not None:
                self._keep()

    def expected(self) -> dict[str, Announcement]:
        """Return what is looked for; what nobody can wait for any more is forgotten."""
        with self._lock:
            now = self._clock()
            late = [c for c, (since, a) in self._expected.items() if now > since + a.deadline_seconds + GRACE]
            for correlation_id in late:
                del self._expected[correlation_id]
            if late:
                self._keep()
            return {correlation_id: announcement for correlation_id, (_, announcement) in self._expected.items()}

    def since(self, correlation_id: str) -> float:
        """Return for how many seconds it has been looked for."""
        with self._lock:
            there = self._expected.get(correlation_id)
            return self._clock() - there[0] if there else 0.0

    def begin(self, work: Work) -> None:
        """Record that a record became a ticket."""
        with self._lock:
            self._expected.pop(work.correlation_id, None)
            self._work[work.correlation_id] = work
            self._keep()

    def end(self, correlation_id: str) -> None:
        """Forget a record that has everything that became of its ticket."""
        with self._lock:
            self._work.pop(correlation_id, None)
            self._keep()

    def work(self) -> tuple[Work, ...]:
        """Return what is being worked."""
        with self._lock:
            return tuple(self._work.values())

    def _keep(self) -> None:
        said: dict[str, Any] = {
            "expected": [(c, since, a.model_dump(mode="json")) for c, (since, a) in self._expected.items()],
            "work": [asdict(work) for work in self._work.values()],
        }
        new = self._path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(said, file)
        new.replace(self._path)
