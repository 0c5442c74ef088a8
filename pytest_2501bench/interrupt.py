"""SIGTERM ends a session like Ctrl-C: fixtures are torn down, so that no sandbox and no process stays."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def terminated_like_interrupted(*, once: bool = False) -> Iterator[None]:
    """Within this context SIGTERM and SIGHUP raise KeyboardInterrupt, once; a second one is left to the teardown.

    Args:
        once: treat SIGINT likewise. For xdist workers, which are told to stop several times (by the terminal, by our
            controller, by execnet after five seconds); only the controller decides when their teardown is given up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told = False

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt(signal.Signals(number).name)

    numbers = [signal.SIGTERM, signal.SIGHUP, *([signal.SIGINT] if once else [])]
    former = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
