"""Tells a managed engine that the process that started it is gone, however that one died.

PR_SET_PDEATHSIG is of no use here: it fires when the *thread* that started the engine ends, and plugins start engines
from threads.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Sequence

_STEP = 0.5


def watch(control: int, parents: Sequence[int], gone: Callable[[], None]) -> None:
    """Call *gone* once, from a thread, when the pipe *control* is at its end or one of *parents* has died.

    The pipe is the quick way; a process that was forked off the parent may hold its other end open, hence the second.
    """

    def wait() -> None:
        poll = select.poll()
        poll.register(control, select.POLLIN | select.POLLHUP)
        # Without pidfds (not Linux) the processes are looked for now and then.
        pidfds = [pidfd for pid in parents if (pidfd := _pidfd(pid)) is not None]
        for pidfd in pidfds:
            poll.register(pidfd, select.POLLIN)
        pause = None if len(pidfds) == len(parents) else _STEP * 1000
        while all(_exists(pid) for pid in parents):
            ready = {fd for fd, _ in poll.poll(pause)}
            if ready & set(pidfds) or (control in ready and not os.read(control, 4096)):
                break
        gone()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def end_after(seconds: float) -> None:
    """End this process hard after *seconds*, should it still be there."""

    def end() -> None:
        time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=end, name="last-resort", daemon=True).start()


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux, or gone already
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
