"""Waits for a database that was restarted, or was out of reach for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.store.registry import PATIENCE, Registry

Result = TypeVar("Result")

_PAUSE = 0.2


def patiently(store: Registry, work: Callable[[], Result]) -> Result:
    """Call *work*, which may be repeated without harm, until the database answers.

    A database that stayed away once is not waited for again before it has answered: a session with many runs must not
    wait in each of them.

    Raises:
        BenchError: as *work* does; ``database_lost`` after :data:`~pytest_2501bench.store.registry.PATIENCE` seconds.
    """
    deadline = time.monotonic() + store.patience
    while True:
        try:
            result = work()
        except BenchError as error:
            if error.cause is not Cause.DATABASE_LOST:
                raise
            if time.monotonic() >= deadline:
                store.patience = 0.0
                raise
            time.sleep(_PAUSE)
        else:
            store.patience = PATIENCE
            return result
