"""The way to the hosts of a namespace sandbox, cut and mended; and the end of such a host, as a power cut makes it.

SSH enters such a host by a connect program and not over its network, so both are cut: logins in progress break, new
ones are refused, and the host's own network card is down.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pytest_2501bench.sandbox.namespace.launch import noted
from pytest_2501bench.sandbox.namespace.shell import environment

_SUFFIX = ".cut"


def cut(directory: Path) -> bool:
    """Cut the way to every host of the sandbox in *directory*; return False if there was none that ran."""
    found = False
    for host, pid in _running(directory):
        connect = directory / f"connect-{host.name}"
        with contextlib.suppress(OSError):
            connect.rename(connect.with_name(f"{connect.name}{_SUFFIX}"))
            found = True
        _card(pid, "down")
        for login in _logins(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(login, signal.SIGKILL)
    return found


def mend(directory: Path) -> None:
    """Open the way again; harmless when the sandbox is gone."""
    for path in directory.glob(f"connect-*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            path.rename(path.with_name(path.name.removesuffix(_SUFFIX)))
    for _host, pid in _running(directory):
        _card(pid, "up")


def power_cut(directory: Path) -> bool:
    """Kill the first process of every host in *directory*, and with it all others; return False if none ran."""
    found = False
    for _host, pid in _running(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            found = True
    return found


def _running(directory: Path) -> Iterator[tuple[Path, int]]:
    """Yield the folder and the first process of each host that has booted."""
    for booted in sorted(directory.glob("*/booted")):
        init = noted(booted.parent / "init.stat")
        with contextlib.suppress(OSError):
            if init is not None and init.alive() and booted.stat().st_size:
                yield booted.parent, init.pid


def _card(pid: int, state: str) -> None:
    users = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    subprocess.run(
        ["nsenter", "--target", str(pid), *users, "--net", "--", "ip", "link", "set", "eth0", state],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env=environment(),
    )


def _logins(init: int) -> list[int]:
    """Return the SSH servers that came into the host from outside: children of nsenter."""
    try:
        space = os.stat(f"/proc/{init}/ns/pid").st_ino  # noqa: PTH116
    except OSError:
        return []
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if (process / "ns" / "pid").stat().st_ino != space:
                continue
            parent = int((process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            if Path(f"/proc/{parent}/comm").read_text().strip() == "nsenter":
                found.append(int(process.name))
    return found
