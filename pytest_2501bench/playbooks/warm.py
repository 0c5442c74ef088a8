"""The owner's side of the warm Ansible: starts the server in the background, and ends it.

Playbooks run the same with and without it. It saves importing Ansible and reading its settings for each of them. Linux
only: elsewhere a process that forks without exec is not safe, and there is no way to hand the terminal over.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.playbooks.warm_environment import digest

log = logging.getLogger(__name__)

SETTING = "BENCH_ANSIBLE"
SHARED = "PYTEST_2501BENCH_WARM_ANSIBLE"
"""Environment variable that names the server of a process above us: ``DIGEST:SOCKET``, or ``@FILE`` with that inside
once it is known. One is enough for a session with its workers and its engine."""

_HERE = Path(__file__).parent
_END_SECONDS = 8.0
_WAITING = 128  # connections


def wanted(environ: Mapping[str, str]) -> bool:
    """Return whether ``BENCH_ANSIBLE`` lets us keep Ansible warm.

    Raises:
        BenchError: ``option_invalid``: it is neither ``warm`` nor ``cold``.
    """
    value = environ.get(SETTING) or "warm"
    if value not in ("warm", "cold"):
        raise BenchError(
            Cause.OPTION_INVALID,
            f"{SETTING}={value}: no such way to run Ansible.",
            remedy="It must be warm (the default) or cold (each playbook starts Ansible anew).",
        )
    return value == "warm" and sys.platform == "linux"


def fits(path: str) -> bool:
    """Return whether the ansible-playbook on *path* is our interpreter's: only that one can be kept warm."""
    found = shutil.which("ansible-playbook", path=path)
    return found is not None and Path(found).parent == Path(sys.executable).parent


def tell(file: Path) -> None:
    """Write into *file* which server this process has, for those that :func:`follow` it."""
    file.write_text(os.environ.get(SHARED, ""), encoding="utf-8")


def follow(file: Path) -> None:
    """Use the server that *file* names by the time that the first playbook runs, if it is there."""
    os.environ[SHARED] = f"@{file}"


def _told(value: str) -> tuple[str, Path]:
    """Return digest and socket of what :data:`SHARED` says; an empty digest when it says nothing."""
    if value.startswith("@"):
        try:
            value = Path(value[1:]).read_text(encoding="utf-8")
        except OSError:
            value = ""
    served, _, path = value.partition(":")
    return served, Path(path)


class WarmAnsible:
    """A warm server that this process owns, or the use of one that a process above owns. For several threads.

    The server ends with :meth:`close`, or by itself when this process is gone, and its playbooks with it.
    """

    def __init__(self, server: Path, environment: Mapping[str, str]) -> None:
        self._socket = server
        self._digest = digest(environment)
        self._lock = threading.Lock()
        self._why = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None

    @classmethod
    def start(cls, directory: Path, environment: Mapping[str, str]) -> WarmAnsible:
        """Start a server and return at once; playbooks may be given to it from now on.

        Args:
            directory: private; the server's socket, its log and what Ansible writes at its start go there.
            environment: what Ansible's settings are read from, for all playbooks.

        Raises:
            OSError: it could not be started.
        """
        directory.mkdir(mode=0o700)
        warm = cls(directory / "s", environment)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(warm._socket))
            listener.listen(_WAITING)
            lifeline, warm._lifeline = os.pipe()
            fds = (listener.fileno(), lifeline)
            words = [sys.executable, "-P", str(_HERE / "warm_server.py"), *map(str, fds), str(os.getpid())]
            try:
                with (directory / "log").open("wb") as output:
                    warm._process = subprocess.Popen(
                        words,
                        env=dict(environment),
                        cwd="/",
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=output,
                        start_new_session=True,
                        pass_fds=fds,
                    )
            except OSError:
                os.close(warm._lifeline)
                raise
            finally:
                os.close(lifeline)
        return warm

    @classmethod
    def shared(cls, environ: Mapping[str, str], environment: Mapping[str, str]) -> WarmAnsible | None:
        """Return the server that *environ* names, if it serves *environment* and is there."""
        served, path = _told(environ.get(SHARED, ""))
        return cls(path, environment) if served == digest(environment) and path.is_socket() else None

    @property
    def name(self) -> str:
        """What :data:`SHARED` has to be for processes below us."""
        return f"{self._digest}:{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process, if it is ours."""
        return self._process.pid if self._process else None

    def around(self, command: Sequence[str], notes: Path) -> list[str] | None:
        """Return the command that has *command* run warm, or None when that has failed before."""
        if self._why:
            return None
        client = str(_HERE / "warm_client.py")
        return [sys.executable, "-I", "-S", client, str(self._socket), str(notes), *command]

    def failed(self, why: str) -> None:
        """Take the plain way from now on; said once, with the reason."""
        with self._lock:
            first, self._why = not self._why, why
        if first:
            log.warning("Ansible is not kept warm any more (%s); each playbook starts it anew.%s", why, self._last())

    def close(self) -> None:
        """End the server and what it still runs; harmless when repeated."""
        with self._lock:
            if self._lifeline is not None:
                os.close(self._lifeline)
                self._lifeline = None
            if self._process is not None:
                self._process.terminate()  # it may still be importing, and deaf to the lifeline
                try:
                    self._process.wait(_END_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
                self._process = None

    def _last(self) -> str:
        try:
            lines = (self._socket.parent / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return f" Its last words: {lines[-1]}" if lines else ""
