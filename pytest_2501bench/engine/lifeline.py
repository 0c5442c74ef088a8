"""Tells a managed engine that the process that started it is gone, however that one died.

PR_SET_PDEATHSIG is of no use here: it fires when the *thread* that started the engine ends, and plugins start engines
from threads.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

_STEP = 0.5


def watch(control: int, parent: int, gone: Callable[[], None]) -> None:
    """Call *gone* once, from a thread, when the pipe *control* is at its end or process *parent* has died.

    The pipe is the quick way; a process that was forked off the parent may hold its other end open, hence the second.
    """

    def wait() -> None:
        poll = select.poll()
        poll.register(control, select.POLLIN | select.POLLHUP)
        pidfd = _pidfd(parent)
        if pidfd is not None:
            poll.register(pidfd, select.POLLIN)
        while True:
            if os.getppid() != parent:
                break
            ready = poll.poll(None if pidfd is not None else _STEP * 1000)
            if any(fd == pidfd for fd, _ in ready):
                break
            if any(fd == control for fd, _ in ready) and not os.read(control, 4096):
                break
        gone()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux, or gone already
        return None


def end_after(seconds: float) -> None:
    """End this process hard after *seconds*, should it still be there."""

    def end() -> None:
        time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=end, name="last-resort", daemon=True).start()
