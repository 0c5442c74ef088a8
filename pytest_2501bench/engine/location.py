"""Where an engine keeps its state, and under which name."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from pytest_2501bench.store.url import Target, parse_url

FILE = "engine.db"


@dataclass(frozen=True, slots=True)
class EngineTarget(Target):
    """The engine's database, named so in messages."""

    @property
    def label(self) -> str:
        """The start of every message about this database."""
        return f"the engine's database {self.shown}"


def target_of(url: str | None, directory: Path) -> EngineTarget:
    """Return the database of *url*; None: a SQLite file in *directory*.

    Raises:
        BenchError: ``option_invalid``: no URL of PostgreSQL or SQLite.
    """
    if not url:
        file = directory / FILE
        return EngineTarget(URL.create("sqlite+pysqlite", database=str(file)), "default", str(file))
    parsed = parse_url(url, directory, "the engine's settings")
    return EngineTarget(parsed.url, parsed.source, parsed.shown)


def engine_name(work_dir: Path) -> str:
    """Return the name under which the engine of *work_dir* on this machine keeps its rows."""
    return hashlib.sha256(f"{socket.gethostname()}:{work_dir.resolve()}".encode()).hexdigest()[:20]
