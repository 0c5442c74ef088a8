"""Who works on a run or benchmark: ``owner.json``, so that nobody takes a living session's run for a crashed one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pytest_2501bench.evidence.model import Record
from pytest_2501bench.process_identity import Process, this_process

OWNER_FILE = "owner.json"


class Owner(Record):
    """One process, on disk; see :class:`~pytest_2501bench.process_identity.Process`."""

    pid: int
    started: str
    world: str

    @classmethod
    def current(cls) -> Owner:
        """Return this process."""
        return cls(**asdict(this_process()))

    def alive(self) -> bool:
        """Return whether the process still runs here.

        One of another machine or container counts as gone: its runs would otherwise stay unimported for good. Should
        it live after all, its own report replaces what was recorded meanwhile.
        """
        return Process(self.pid, self.started, self.world).alive()


def owner_line() -> str:
    """Return the content of ``owner.json`` for this process."""
    return json.dumps(Owner.current().model_dump(), sort_keys=True) + "\n"


def owner_alive(folder: Path) -> bool:
    """Return whether the process named in *folder*'s ``owner.json`` still runs; no (readable) file means no owner."""
    try:
        return Owner.model_validate_json((folder / OWNER_FILE).read_bytes()).alive()
    except (OSError, ValueError):
        return False
