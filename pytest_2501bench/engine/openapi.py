"""``python -m pytest_2501bench.engine.openapi``: prints the API's description, for ``docs/engine-openapi.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pytest_2501bench.agents.noop import NoopAgent
from pytest_2501bench.engine.app import create_app
from pytest_2501bench.engine.desk import Desk
from pytest_2501bench.engine.intake_wire import Announcement
from pytest_2501bench.engine.memory import MemoryRepository
from pytest_2501bench.engine.orchestrator import Orchestrator


class _Everything:
    """Stands for an intake, so that its paths are described too."""

    def expect(self, correlation_id: str, announcement: Announcement) -> None:
        """Never called."""

    def forget(self, correlation_id: str) -> None:
        """Never called."""


def export() -> str:
    """Return the OpenAPI document as JSON text, with all paths that an engine may have."""
    repository = MemoryRepository()
    nowhere = Path("/nonexistent")
    desk = Desk(repository, Orchestrator(repository, NoopAgent(), nowhere), nowhere, same_machine=True)
    described = create_app(desk, "unused", _Everything()).openapi()
    return json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(export())
