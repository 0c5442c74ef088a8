"""Runs limactl: never interactively, in sessions of their own, each call noted so that a reaper can end it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pytest_2501bench.sandbox.lima.versions import Features, features, parse

HALF_MADE: Final = re.compile(r"lima\.yaml\W+no such file or directory")
"""While an instance is being cloned, its directory has no lima.yaml yet. Up to Lima 2.1, start, stop and delete inspect
every instance for their networks and fail on that one: it passes as soon as the disk is copied, so such calls are
repeated."""
HALF_MADE_SECONDS: Final = 300.0
AS_ROOT: Final = "must not run as the root user"
_FATAL = re.compile(r'level=fatal msg="((?:[^"\\]|\\.)*)"')
_NOTED = 'echo $$ > "$0/$$" && exec "$@"'
_KEPT = ("HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


class LimactlError(Exception):
    """limactl failed; the message is its own last word."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What ``limactl list --json`` tells of one instance, as far as we use it."""

    name: str
    status: str  # Uninitialized, Installing, Broken, Stopped, Running, or empty
    directory: Path
    vm_type: str
    arch: str
    ssh_config: Path | None
    hostname: str
    errors: str


def lima_home() -> Path:
    """Return the directory of all instances, as limactl finds it."""
    return Path(os.environ.get("LIMA_HOME") or "~/.lima").expanduser().absolute().resolve()


def environment() -> dict[str, str]:
    """Return what limactl needs of our environment; secrets have no business in a process that outlives us."""
    prefixes = ("LIMA", "QEMU", "LC_")
    proxies = ("http_proxy", "https_proxy", "no_proxy")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(prefixes) or name.lower() in proxies
    }
    return {**kept, "PATH": f"{os.environ.get('PATH', '')}:/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin"}


def last_word(output: str) -> str:
    """Return the line of limactl's output that says what went wrong."""
    fatal: list[str] = _FATAL.findall(output)
    if fatal:
        try:
            return str(json.loads(f'"{fatal[-1]}"'))
        except ValueError:
            return fatal[-1]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    panics = [line for line in lines if line.startswith("panic: ")]
    return (panics or lines[-1:] or ["no output"])[0]


class Limactl:
    """One limactl, and what its version can do."""

    def __init__(self, program: str | None = None) -> None:
        self.program = program or shutil.which("limactl", path=environment()["PATH"])
        self._features: Features | None = None

    def version_output(self) -> str:
        """Return what ``limactl --version`` says, good or bad."""
        done = self._run(["--version"], 30)
        return (done.stdout + done.stderr).strip()

    @property
    def features(self) -> Features:
        """What this version can do.

        Raises:
            LimactlError: there is no version, or an unknown one.
        """
        if self._features is None:
            said = self.version_output()
            version = parse(said)
            if version is None:
                raise LimactlError(f"limactl --version says: {last_word(said)}")
            self._features = features(version)
        return self._features

    def _run(self, words: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
        if self.program is None:
            raise LimactlError("limactl is not installed")
        try:
            return subprocess.run(
                [self.program, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=seconds,
                env=environment(),
            )
        except subprocess.TimeoutExpired:
            raise LimactlError(f"limactl {words[0]}: no answer after {seconds:.0f} s") from None
        except OSError as error:
            raise LimactlError(f"limactl cannot be run: {error}") from None

    def inspect(self, names: Sequence[str]) -> dict[str, Instance]:
        """Return those of the named instances that there are.

        Always by name: a plain ``list`` fails as soon as any instance is half made.

        Raises:
            LimactlError: limactl could not say.
        """
        done = self._run(["--tty=false", "list", "--json", *names], 60)
        found = {}
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                instance = _instance(json.loads(line))
                found[instance.name] = instance
        if done.returncode != 0 and not ("No instance" in done.stderr or HALF_MADE.search(done.stderr)):
            raise LimactlError(last_word(done.stderr))
        return found

    def change(
        self, *words: str, log: Path, calls: Path | None, seconds: float, tell: Callable[[str], None] | None = None
    ) -> None:
        """Run ``limactl WORDS`` to its end.

        Args:
            words: subcommand and arguments.
            log: file to which its output is added.
            calls: directory in which the call is noted while it runs; if it is gone, nothing is run.
            seconds: deadline.
            tell: called from time to time with the last line of the output.

        Raises:
            LimactlError: it failed, or was not done at the deadline.
        """
        patience = time.monotonic() + HALF_MADE_SECONDS
        while True:
            failed = self._change(words, log, calls, seconds, tell)
            if failed is None:
                return
            half_made = HALF_MADE.search(failed)
            if not half_made or time.monotonic() > patience:
                hint = " (remove that directory if nobody is cloning an instance)" if half_made else ""
                raise LimactlError(f"limactl {words[0]}: {last_word(failed)}{hint}")
            time.sleep(0.5)

    def _change(
        self,
        words: Sequence[str],
        log: Path,
        calls: Path | None,
        seconds: float,
        tell: Callable[[str], None] | None,
    ) -> str | None:
        if self.program is None:
            raise LimactlError("limactl is not installed")
        argv = [self.program, "--tty=false", *words]
        if calls is not None:
            argv = ["/bin/sh", "-c", _NOTED, str(calls), *argv]
        with log.open("a", encoding="utf-8") as file:
            begin = file.tell()
            # A session of its own: Ctrl-C is for us, and what we begin to remove must be removed.
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                env=environment(),
            )
        try:
            self._wait(process, log, begin, seconds, tell)
        except BaseException:
            end(process)
            raise
        finally:
            if calls is not None:
                (calls / str(process.pid)).unlink(missing_ok=True)
        return None if process.returncode == 0 else _from(log, begin)

    @staticmethod
    def _wait(
        process: subprocess.Popen[bytes], log: Path, begin: int, seconds: float, tell: Callable[[str], None] | None
    ) -> None:
        deadline = time.monotonic() + seconds
        said = ""
        while True:
            try:
                process.wait(min(5.0, max(0.01, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                if time.monotonic() >= deadline:
                    raise LimactlError(f"limactl was not done after {seconds:.0f} s (see {log})") from None
                line = _last_line(_from(log, begin))
                if tell is not None and line and line != said:
                    said = line
                    tell(line)
            else:
                return


def _from(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace")


def _last_line(output: str) -> str:
    messages = re.findall(r'msg="((?:[^"\\]|\\.)*)"', output)
    lines = messages or output.splitlines()
    return str(lines[-1])[:100] if lines else ""


def end(process: subprocess.Popen[bytes]) -> None:
    """End a call of ours; the host agent of a started instance is another process and stays."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _instance(row: dict[str, Any]) -> Instance:
    # Before 2.0 errors are empty objects: Go's error has no fields.
    errors = "; ".join(text for text in row.get("errors") or () if isinstance(text, str))
    config = row.get("sshConfigFile")
    name = str(row["name"])
    return Instance(
        name=name,
        status=str(row.get("status") or ""),
        directory=Path(row.get("dir") or ""),
        vm_type=str(row.get("vmType") or ""),
        arch=str(row.get("arch") or ""),
        ssh_config=Path(config) if config else None,
        hostname=str(row.get("hostname") or "lima-" + re.sub(r"[._]", "-", name)),
        errors=errors or ("unknown" if row.get("errors") else ""),
    )


def longest_name(home: Path) -> int:
    """Return how long a name may be: the path of an instance's longest socket must fit into a socket address."""
    limit = 104 if sys.platform == "darwin" else 108
    socket = "/ssh.sock.1234567890123456"
    return limit - 1 - len(str(home)) - 1 - len(socket)
