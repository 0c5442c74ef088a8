"""Starts an engine of one's own as a process, and ends it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_2501bench
from pytest_2501bench.agents import keeper
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.scratch import make_scratch

READY_SECONDS = 30.0
GRACE_SECONDS = 35.0
"""Longer than the engine itself waits for its agents to end."""
STOP_SECONDS = GRACE_SECONDS + 15.0

# The engine has this package from where we have it, also when another copy is installed; nothing else from there comes
# before what is installed.
_PROGRAM = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
import pytest_2501bench
sys.path.append(sys.path.pop(0))
from pytest_2501bench.engine.server import serve_managed
serve_managed()
"""

# Of no use to an engine; a program that it starts could print or store them.
_WITHHELD = ("DATABASE_URL", "ENGINE_DATABASE_URL", "ENGINE_API_KEY", "ENGINE_URL", "PGPASSWORD")
_WITHHELD_PREFIX = "SERVICENOW_"
# An agent on this machine may read the engine's environment: which scenario runs is none of its business.
_TELLING = ("BENCH_SCENARIOS", "PWD", "OLDPWD", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine listens, and the key that it takes."""

    url: str
    key: str = field(repr=False)


class LocalEngine:
    """An engine on a loopback port with a random key, for as long as this process lives.

    It runs in a session of its own, so Ctrl-C does not reach it before our teardown has cancelled its jobs; it ends by
    itself when this process is gone, even after ``kill -9``, and takes its agents with it.

    Use: ``start_async()`` early, ``wait_ready()`` when it is needed, ``stop()`` at the end. Should it die in between,
    ``restart()`` brings it back at the same address with the same key and everything it knew.
    """

    def __init__(
        self,
        agent: str,
        agent_command: Sequence[str] | None,
        work_dir: Path,
        *,
        deadline_grace: float = 10.0,
        state_dir: Path | None = None,
        database_url: str | None = None,
        parallel: bool = False,
        intake: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare an engine with *agent*; its log and its agents' output go to *work_dir*, which is made.

        Its state, keys of hosts included, is in a temporary folder that goes with :meth:`stop`, unless there is a
        *state_dir*: it stays, and another engine with the same one goes on from there. *database_url* is for all but
        the keys. *parallel*: work the tasks of a job at the same time. *intake*: take tickets from this ServiceNow
        instance too (``Instance.private()``). *variables*: in its environment, besides ours.
        """
        self._agent = agent
        self._agent_command = list(agent_command) if agent_command else None
        self._work_dir = work_dir.absolute()
        self._deadline_grace = deadline_grace
        self._state_dir = state_dir.absolute() if state_dir else None
        self._state_scratch: Path | None = None
        self._database_url = database_url
        self._parallel = parallel
        self._intake = dict(intake) if intake else None
        self._variables = dict(variables or {})
        self._port = 0  # any, until one was taken
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoint: Endpoint | None = None
        self._pid: int | None = None
        self._control: int | None = None
        self._scratch = ""
        self._key = secrets.token_urlsafe(32)
        self.log = self._work_dir / "engine.log"

    def start(self) -> Endpoint:
        """Start the engine and return when it answers."""
        self.start_async()
        return self.wait_ready()

    def start_async(self) -> None:
        """Start the engine's process and return at once; harmless when repeated."""
        if self._process is not None:
            return
        self._work_dir.mkdir(parents=True, exist_ok=True)
        self._scratch = str(make_scratch("2501-"))
        if self._state_dir is None and self._state_scratch is None:
            self._state_scratch = make_scratch("2501-")  # not the engine's own: it outlives its death
        control, self._control = os.pipe()
        # -P: a fastapi.py in the user's project must not take the place of the library.
        engine = [sys.executable, "-P", "-c", _PROGRAM, str(Path(pytest_2501bench.__file__).parents[1])]
        with self.log.open("ab") as log, open(os.devnull, "wb") as null:  # noqa: PTH123 - no path
            # Under a keeper: an engine that is killed leaves no agent, no playbook and no credentials behind.
            keeping = [keeper.__file__, str(control), str(null.fileno()), str(GRACE_SECONDS), self._scratch]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", *keeping, *engine],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                pass_fds=(control, null.fileno()),
                env={
                    name: value
                    for name, value in os.environ.items()
                    if name not in _WITHHELD + _TELLING and not name.startswith(_WITHHELD_PREFIX)
                }
                | {"TMPDIR": self._scratch}
                | self._variables,
            )
        os.close(control)
        settings = {
            "key": self._key,
            "agent": self._agent,
            "agent_command": self._agent_command,
            "log_directory": str(self._work_dir),
            "parent": os.getpid(),
            "deadline_grace": self._deadline_grace,
            "state_directory": str(self._state_dir or self._state_scratch),
            "temporary": self._state_dir is None,
            "database_url": self._database_url,
            "parallel": self._parallel,
            "intake": self._intake,
            "port": self._port,
        }
        assert self._process.stdin is not None
        # A process that died at once is told of by wait_ready, with its log.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(settings).encode() + b"\n")
            self._process.stdin.flush()

    def wait_ready(self, timeout: float = READY_SECONDS) -> Endpoint:
        """Return where the engine listens, as soon as it does.

        Raises:
            BenchError: ``gateway_unavailable``: it did not start; the message has the reason or the end of its log.
        """
        if self._endpoint is not None:
            return self._endpoint
        if self._process is None or self._process.stdout is None:
            raise BenchError(Cause.GATEWAY_UNAVAILABLE, "the local engine was not started")
        line = _line_within(self._process.stdout.fileno(), timeout)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = {}
        if not isinstance(answer, dict) or not isinstance(answer.get("port"), int):
            why = answer.get("error") if isinstance(answer, dict) else None
            self.stop()
            last = self.log_tail(1) or f"no answer within {timeout:g} s"
            raise BenchError(
                Cause.GATEWAY_UNAVAILABLE,
                f"the local engine did not start: {why or last}",
                log=None if why else self.log,
            )
        self._process.stdout.close()
        self._pid = answer.get("pid")
        self._port = answer["port"]
        self._endpoint = Endpoint(f"http://127.0.0.1:{answer['port']}", self._key)
        return self._endpoint

    @property
    def pid(self) -> int | None:
        """The engine's process id, once it is ready."""
        return self._pid

    def alive(self) -> bool:
        """Say whether the engine's process runs."""
        if self._process is None or self._process.poll() is not None:
            return False
        if self._pid is not None:
            try:
                os.kill(self._pid, 0)
            except ProcessLookupError:
                # Its keeper still removes what it left.
                return False
        return True

    def log_tail(self, lines: int = 5) -> str:
        """Return the last *lines* of the engine's log."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(log.seek(0, os.SEEK_END) - 16_384, 0))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])

    def restart(self) -> Endpoint:
        """Start an engine that died again, where it was and with what it knew; one that still runs is killed first.

        Return when it answers. Nothing of the agents of the dead one runs any more then.

        Raises:
            BenchError: ``gateway_unavailable``: it does not start.
        """
        if self._pid is not None and self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self._end_process()
        self._process, self._pid, self._endpoint = None, None, None
        return self.start()

    def stop(self) -> None:
        """End the engine and its agents; return when they are gone. Harmless when repeated."""
        self._end_process()
        if self._state_scratch is not None:
            shutil.rmtree(self._state_scratch, ignore_errors=True)
            self._state_scratch = None

    def _end_process(self) -> None:
        process = self._process
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self._control is not None:
            os.close(self._control)
            self._control = None
        # The pipes' end is the signal to stop. The keeper kills an engine that hangs; killing the keeper is for one
        # that hangs itself.
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)


def _line_within(fd: int, seconds: float) -> bytes:
    """Return what comes through the pipe until a line's end, its end, or *seconds* are over."""
    end = time.monotonic() + seconds
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLHUP)
    line = b""
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            break
        part = os.read(fd, 4096)
        if not part:
            break
        line += part
    return line
