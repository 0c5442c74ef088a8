"""How each part is killed or cut, and restored."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pytest_2501bench.chaos import namespace_way
from pytest_2501bench.chaos.inside import PROXY
from pytest_2501bench.chaos.plan import Part
from pytest_2501bench.chaos.proxy import Proxy
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.options import Settings
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import Sandbox, SandboxProvider

COMMAND_SECONDS = 60.0


@dataclass
class Scene:
    """A disturbed session, as its parts are found."""

    note: Path  # what the session says of its engine; see :mod:`.inside`
    bench_dir: Path
    provider: SandboxProvider
    settings: Settings
    pid: int = 0  # of the session, once it runs

    def sandboxes(self) -> list[Sandbox]:
        """Return the sandboxes that the session has now."""
        names = [owned.name for owned in self.provider.list_owned() if owned.owner_pid == self.pid]
        return [sandbox for name in names if (sandbox := self.provider.find(name)) is not None]

    def engine(self) -> tuple[str, int | None]:
        """Return the engine's address and process id, as far as they are known."""
        try:
            told = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "", None
        return told["url"], told["engine"]


class Breaker(Protocol):
    """Breaks one part in one session."""

    environment: Mapping[str, str]
    """What the session must have in its environment."""

    def strike(self) -> bool:
        """Break it; return False if it is not there."""
        ...

    def mend(self) -> None:
        """Restore it; harmless when repeated, and when it was not broken."""
        ...

    def close(self) -> None:
        """Release what was held."""
        ...


class ByCommand:
    """Breaks and restores a part by commands of the user's."""

    def __init__(self, part: Part, commands: Mapping[str, str]) -> None:
        self._names = (f"{part.upper()}_KILL_COMMAND", f"{part.upper()}_START_COMMAND")
        self._commands = commands
        self._struck = False
        self.environment: Mapping[str, str] = {}

    def strike(self) -> bool:
        """Run the first one."""
        self._struck = True
        _run(self._names[0], self._commands[self._names[0]])
        return True

    def mend(self) -> None:
        """Run the second one, if the first one was run."""
        if self._struck:
            self._struck = False
            _run(self._names[1], self._commands[self._names[1]])

    def close(self) -> None:
        """Nothing is held."""


class OwnEngine:
    """Kills the session's local engine; to start it again is the session's business."""

    environment: Mapping[str, str] = {}

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def strike(self) -> bool:
        """Kill it, as the kernel does when memory is short."""
        _url, pid = self._scene.engine()
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def mend(self) -> None:
        """Nothing: see the class."""

    def close(self) -> None:
        """Nothing is held."""


class Way:
    """Cuts a TCP connection: that to the engine, or that to the database."""

    def __init__(self, proxy: Proxy, environment: Mapping[str, str]) -> None:
        self._proxy = proxy
        self.environment = environment

    def strike(self) -> bool:
        """Cut it."""
        self._proxy.cut()
        return True

    def mend(self) -> None:
        """Let connections through again."""
        self._proxy.mend()

    def close(self) -> None:
        """End the proxy."""
        self._proxy.close()


@dataclass
class LockedFile:
    """Holds a SQLite database as another program would that writes for seconds."""

    file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _connection: sqlite3.Connection | None = None

    def strike(self) -> bool:
        """Take the lock."""
        if not self.file.exists():
            return False
        connection = sqlite3.connect(self.file, timeout=5, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            connection.close()
            return False
        self._connection = connection
        return True

    def mend(self) -> None:
        """Let it go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Let it go, if need be."""
        self.mend()


class Hosts:
    """Cuts the way to the hosts of a namespace sandbox, or ends them."""

    environment: Mapping[str, str] = {}

    def __init__(self, scene: Scene, *, end: bool) -> None:
        self._scene = scene
        self._end = end
        self._cut: list[Path] = []

    def strike(self) -> bool:
        """Break every host that the session has."""
        act = namespace_way.power_cut if self._end else namespace_way.cut
        self._cut = [sandbox.directory for sandbox in self._scene.sandboxes() if sandbox.directory is not None]
        struck = [act(directory) for directory in self._cut]  # all of them
        return any(struck)

    def mend(self) -> None:
        """Open the way again. A host that was killed stays dead: the next run gets a fresh one."""
        if not self._end:
            for directory in self._cut:
                namespace_way.mend(directory)

    def close(self) -> None:
        """Nothing is held."""


def breaker(part: Part, scene: Scene, commands: Mapping[str, str]) -> Breaker:
    """Return what breaks *part* in *scene*; :func:`obstacle` has said that there is something."""
    if has_commands(part, commands):
        return ByCommand(part, commands)
    if part is Part.ENGINE:
        return OwnEngine(scene)
    if part is Part.GATEWAY:
        proxy = Proxy(lambda: _address(scene.engine()[0]))
        return Way(proxy, {PROXY: str(proxy.port)})
    if part is Part.DATABASE:
        return _database(scene)
    return Hosts(scene, end=part is Part.HOST)


def _database(scene: Scene) -> Breaker:
    from pytest_2501bench.store.url import parse_url

    url = scene.settings.database_url
    target = parse_url(url, scene.bench_dir)
    if not target.postgresql:
        return LockedFile(target.file)
    real = (target.url.host or "localhost", target.url.port or 5432)
    proxy = Proxy(lambda: real)
    # hostaddr and not host: a certificate is still checked against the server's name.
    through = target.url.set(port=proxy.port).update_query_dict({"hostaddr": "127.0.0.1"})
    return Way(proxy, {"DATABASE_URL": through.render_as_string(hide_password=False)})


def obstacle(part: Part, settings: Settings, provider: SandboxProvider, commands: Mapping[str, str]) -> str | None:
    """Return why *part* cannot be broken here, in one line with what would help, or None."""
    wanted = f"set {part.upper()}_KILL_COMMAND and {part.upper()}_START_COMMAND, in the environment or the --env-file"
    names = (f"{part.upper()}_KILL_COMMAND", f"{part.upper()}_START_COMMAND")
    given = [name for name in names if commands.get(name)]
    if len(given) == 1:
        return f"{given[0]} is set, {next(n for n in names if n not in given)} is not: it takes both"
    if given:
        return None
    if part is Part.ENGINE and settings.engine_url is not None:
        return f"ENGINE_URL names an engine that is not started here: {wanted}"
    if part is Part.GATEWAY and settings.gateway != "runner":
        return f"the way of gateway {settings.gateway} cannot be cut from here: {wanted}"
    if part is Part.GATEWAY and urlsplit(settings.engine_url or "http:").scheme != "http":
        return f"ENGINE_URL is https, whose way no proxy of ours can cut: {wanted}"
    if part is Part.DATABASE and settings.database_url is not None:
        host = urlsplit(settings.database_url).hostname
        if settings.database_url.startswith("postgres") and not host:
            return f"DATABASE_URL names no host, so its way cannot be cut: {wanted}"
    if part in (Part.NETWORK, Part.HOST) and not isinstance(provider, NamespaceProvider):
        return f"hosts of --mode {settings.mode} cannot be broken from here: {wanted}"
    return None


def has_commands(part: Part, commands: Mapping[str, str]) -> bool:
    """Say whether the user gave commands that break and restore *part*."""
    return bool(commands.get(f"{part.upper()}_KILL_COMMAND"))


def _address(url: str) -> tuple[str, int] | None:
    parts = urlsplit(url)
    return (parts.hostname, parts.port or 80) if parts.hostname else None


def _run(name: str, line: str) -> None:
    words: Sequence[str] = ()
    with contextlib.suppress(ValueError):
        words = shlex.split(line)
    if not words:
        raise BenchError(Cause.OPTION_INVALID, f"{name}: is not a command line.")
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=COMMAND_SECONDS,
        )
    except OSError as error:
        raise BenchError(Cause.OPTION_INVALID, f"{name}: {words[0]}: {error.strerror}.") from None
    except subprocess.TimeoutExpired:
        raise BenchError(Cause.OPTION_INVALID, f"{name}: did not end within {COMMAND_SECONDS:g} s.") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-200:]
        raise BenchError(Cause.OPTION_INVALID, f"{name}: ended with status {done.returncode}: {said}")
