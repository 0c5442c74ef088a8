"""What one pytest session knows about its benchmark; light, because it exists in every session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_2501bench.options import Settings
    from pytest_2501bench.session import BenchSession


@dataclass
class State:
    """Filled by collection; ``session`` is opened only when a run is about to happen."""

    settings: Settings
    worker: bool  # an xdist worker: it never writes to the database
    benchmark_id: str | None = None  # a worker gets the controller's
    keys: dict[str, str] = field(default_factory=dict)  # key → node id of its scenario.json
    tags: set[str] = field(default_factory=set)
    session: BenchSession | None = None


STATE = pytest.StashKey[State]()
