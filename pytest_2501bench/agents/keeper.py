"""Runs a program and sees to it that nothing of it stays: a program of its own, standard library only.

``python -I -S keeper.py CONTROL STATUS GRACE REMOVE PROGRAM [ARGUMENT…]``. CONTROL is the reading end of a pipe: when
its other end is closed (deadline, cancellation, the death of whoever holds it), the program gets SIGTERM and GRACE
seconds to end. STATUS is the writing end of another pipe: it gets one JSON object when everything is over. REMOVE is a
directory to remove then, or empty.

Orphaned processes of the program become children of this one (Linux: child subreaper), so also those that left the
program's session can be found and killed. An agent's program runs under a keeper, and so does the engine.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time

SWEEP_SECONDS = 10.0
_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the program; return 0 when its end was reported."""
    control, status = int(sys.argv[1]), int(sys.argv[2])
    grace, remove, *command = float(sys.argv[3]), *sys.argv[4:]
    for fd in (control, status):
        os.set_inheritable(fd, False)
    _become_subreaper()
    report: dict[str, object] = {"exit_status": None, "error": None, "ended": False, "left": []}
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # A terminal's or a service manager's signals are for the engine, which tells us through the pipe.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        child = subprocess.Popen(command, start_new_session=True)
    except OSError as error:
        report["error"] = f"{command[0]}: {error.strerror}"
        return _answer(status, report)
    null = os.open(os.devnull, os.O_RDWR)
    # The program alone holds its standard input and output now, so that their ends mean something.
    os.dup2(null, 0)
    os.dup2(null, 1)
    poll = select.poll()
    poll.register(control, select.POLLIN | select.POLLHUP)
    poll.register(wake_read, select.POLLIN)
    while child.poll() is None:
        ready = [fd for fd, _ in poll.poll(1000)]
        if wake_read in ready:
            os.read(wake_read, 4096)
        _bury(child.pid)
        if control in ready and child.poll() is None:
            report["ended"] = True
            _end(child, grace)
            break
    if child.poll() is not None:
        report["exit_status"] = child.returncode if child.returncode >= 0 else 128 - child.returncode
    report["left"] = _sweep(child.pid)
    if remove:
        import shutil

        shutil.rmtree(remove, ignore_errors=True)
    return _answer(status, report)


def _answer(status: int, report: dict[str, object]) -> int:
    with contextlib.suppress(OSError):
        os.write(status, json.dumps(report).encode())
    return 0


def _become_subreaper() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _bury(child: int) -> None:
    """Reap orphans that ended; *child* is left to its owner.

    A dead process that nobody reaps keeps the process namespace of its sandbox from ending.
    """
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != child:
            os.waitpid(ended.si_pid, 0)


def _end(child: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the program's process group to end, and wait a little."""
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace)


def _sweep(group: int) -> list[int]:
    """Kill the program's process group and all of our descendants; return the pids that stay nevertheless."""
    end = time.monotonic() + SWEEP_SECONDS
    while True:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
        for pid in _descendants():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return []
        if time.monotonic() > end:
            return sorted(_descendants())
        time.sleep(0.01)


def _descendants() -> set[int]:
    """Return our living descendants, zombies left out. Without /proc: none (macOS, where only the group is killed)."""
    parents: dict[int, int] = {}
    try:
        entries = os.listdir("/proc")  # noqa: PTH208 - start-up time
    except OSError:
        return set()
    for entry in entries:
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stat:  # noqa: PTH123 - start-up time
            fields = stat.read().rpartition(b")")[2].split()
            if fields[0] != b"Z":
                parents[int(entry)] = int(fields[1])
    found: set[int] = set()
    new = {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


if __name__ == "__main__":
    sys.exit(main())
