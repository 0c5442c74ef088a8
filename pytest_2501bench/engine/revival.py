"""Starts the session's own engine again when it dies, so that one crash does not take all runs that follow."""

from __future__ import annotations

import logging
import threading

from pytest_2501bench.engine.process import LocalEngine
from pytest_2501bench.errors import BenchError

log = logging.getLogger(__name__)

MOST = 20
"""Restarts in one session. An engine that goes on dying is broken, and its runs should say so."""
_LOOK_EVERY = 0.1


class Revival:
    """Watches a started engine from a thread, until :meth:`stop`, which comes before the engine's own.

    A restarted engine is at the same address with the same key, so whoever talks to it need only ask again.
    """

    def __init__(self, engine: LocalEngine, most: int = MOST) -> None:
        self._engine = engine
        self._most = most
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="engine-revival", daemon=True)
        self.count = 0
        """How often the engine was started again."""

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End; if the engine is being started right now, return when that is over."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while self.count < self._most and not self._over.wait(_LOOK_EVERY):
            if self._engine.alive():
                continue
            self.count += 1
            try:
                self._engine.restart()
            except BenchError as error:  # whoever asks the engine will say that it is gone
                log.warning("not started again: %s", error)
                return
