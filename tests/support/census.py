"""Counts what benchmark sessions have on the machine: they live below one folder of their own, which names all of it.

Other people's sessions may come and go meanwhile: nothing is counted that has no trace of that folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from support.benchmark import environment
from support.hosts import namespaces_of

from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.namespace.provider import default_cache_dir

AGENT = """\
#!/bin/sh
# Works until it is ended, or for $WORK seconds; the file says that it began.
cat > /dev/null
echo $$ >> {root}/working
ssh -F "$BENCH_SSH_CONFIG" web-01 'setsid sleep 4711 > /dev/null 2>&1 < /dev/null & sleep {seconds}'
"""


@dataclass(frozen=True)
class Count:
    """What there is at one moment. Files of the machine: results, logs and images are meant to stay."""

    processes: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()
    sandboxes: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(f"{field.name}: {'; '.join(getattr(self, field.name)) or '-'}" for field in fields(self))


NOTHING = Count()


class Census:
    """One folder for the caches, temporary files and results of the sessions that :meth:`start` starts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self.bench_dir = root / "bench"
        self._temporary = root / "t"
        self._cache = root / "cache"
        self._namespaces: set[str] = set()
        self._names: set[str] = set()
        for folder in (self._temporary, self._cache / "namespace", self.project):
            folder.mkdir(parents=True)
        images = NamespaceProvider().cache.directory
        for name in ("rootfs", "layers"):  # the machine's own images: to build them takes a minute
            (images / name).mkdir(exist_ok=True)
            (self._cache / "namespace" / name).symlink_to(images / name)
        self.provider = NamespaceProvider(self._cache)

    # ---- sessions -------------------------------------------------------------------------------------------------

    def scenario(self, key: str, seconds: float = 301, **playbooks: str) -> None:
        """Write a scenario, and the agent, which works *seconds*; ``prepare="…"`` becomes prepare.yml."""
        folder = self.project / "scenarios" / key
        folder.mkdir(parents=True)
        (folder / "scenario.json").write_text(
            f'{{"key": "{key}", "title": "t", "description": "d", "ticket_title": "t", "ticket_body": "b",'
            ' "hosts": [{"host_name": "web-01", "template": "debian-base"}],'
            ' "bench": {"outcome": [{"label": "never", "validator": "pattern_match", "pattern": "never said",'
            ' "where": "job_resolution"}]}}'
        )
        for name, text in playbooks.items():
            (folder / f"{name}.yml").write_text(text)
        (self.project / "pytest.ini").write_text("[pytest]\n")
        agent = self.root / "agent.sh"
        agent.write_text(AGENT.format(root=self.root, seconds=seconds))
        agent.chmod(0o755)

    def start(self, *arguments: str, scenarios: str = "scenarios") -> subprocess.Popen[str]:
        """Start a session, in a process group of its own as a terminal does it."""
        options = ["-p", "no:cacheprovider", "-p", "no:randomly", "--mode", "namespace"]
        options += ["--bench-dir", str(self.bench_dir), "--agent-command", str(self.root / "agent.sh")]
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", scenarios, *arguments, *options],
            cwd=self.project,
            env=environment(TMPDIR=str(self._temporary), BENCH_CACHE_DIR=str(self._cache)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, scenarios: str = "scenarios", timeout: float = 90) -> str:
        """Run a session to its end; return what it wrote."""
        with self.start(*arguments, scenarios=scenarios) as session:
            return session.communicate(timeout=timeout)[0]

    def wait(self, session: subprocess.Popen[str], what: Callable[[], bool], seconds: float = 60) -> None:
        """Wait for something to be so, while *session* lives."""
        deadline = time.monotonic() + seconds
        while not what():
            if session.poll() is not None or time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(session.pid, signal.SIGKILL)
                raise AssertionError(session.communicate()[0])
            time.sleep(0.02)

    def working(self, session: subprocess.Popen[str], agents: int = 1) -> Count:
        """Wait until so many agents are at work on their hosts; return the count then."""
        file = self.root / "working"
        self.wait(session, lambda: file.exists() and len(file.read_text().splitlines()) >= agents)
        self.wait(session, lambda: sum("sleep 4711" in process for process in self.count().processes) >= agents)
        return self.count()

    # ---- counting -------------------------------------------------------------------------------------------------

    def count(self) -> Count:
        """Count."""
        state = self._cache / "namespace"
        sandboxes = {path.name for path in (state / "sandboxes").glob("*")}
        leases = {path.stem for path in (state / "ledger").glob("*.json")}
        self._names |= sandboxes | leases
        for directory in (state / "sandboxes").glob("*"):
            self._remember_namespaces(directory)
        processes = dict(self._processes())
        spaces = {space for pid in processes for space in namespaces_of(pid)} - namespaces_of(os.getpid())
        cgroups = [folder for top in self._cgroup_tops() for folder in top if Path(folder).name in self._names]
        temporary = sorted(
            os.path.relpath(os.path.join(folder, name), self._temporary)  # noqa: PTH118
            for folder, folders, files in os.walk(self._temporary)
            for name in [*folders, *files]
            if "pytest-of-" not in os.path.join(folder, name)  # noqa: PTH118 - pytest's own stay, to be looked at
        )
        return Count(
            processes=tuple(sorted(processes.values())),
            namespaces=tuple(sorted(spaces)),
            mounts=tuple(line for line in Path("/proc/mounts").read_text().splitlines() if str(self.root) in line),
            cgroups=tuple(sorted(cgroups)),
            leases=tuple(sorted(leases)),
            sandboxes=tuple(sorted(sandboxes)),
            sockets=tuple(name for name in temporary if (self._temporary / name).is_socket()),
            temporary=tuple(name for name in temporary if not (self._temporary / name).is_socket()),
        )

    def left(self, seconds: float = 15) -> Count:
        """Count again and again until nothing is left, or *seconds* are over; return the last count."""
        deadline = time.monotonic() + seconds
        while (count := self.count()) != NOTHING and time.monotonic() < deadline:
            time.sleep(0.1)
        return count

    def _remember_namespaces(self, directory: Path) -> None:
        for note in [*directory.glob("hub.stat"), *directory.glob("*/init.stat")]:
            try:
                self._namespaces |= namespaces_of(int(note.read_text().split(" ", 1)[0]))
            except (OSError, ValueError):
                continue
        self._namespaces -= namespaces_of(os.getpid())

    def _processes(self) -> Iterator[tuple[int, str]]:
        """Whatever has our folder in its arguments, environment or working directory, or is in one of our hosts."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
                about = b"\0".join(
                    [words, (process / "environ").read_bytes(), os.fsencode((process / "cwd").readlink())]
                )
                ours = os.fsencode(self.root) in about or bool(namespaces_of(int(process.name)) & self._namespaces)
                cgroup = (process / "cgroup").read_text()
                if words and (ours or any(name in cgroup for name in self._names)):
                    yield int(process.name), f"{process.name} {words.replace(bytes(1), b' ').decode(errors='replace')}"
            except OSError:  # it has ended meanwhile
                continue

    @staticmethod
    def _cgroup_tops() -> list[list[str]]:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        # os.walk does not mind what disappears meanwhile.
        return [[folder for folder, _, _ in os.walk(mount[1])] for mount in mounts if mount[2] == "cgroup2"]

    # ---- the end --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Remove whatever a failed test left."""
        for pid, words in list(self._processes()):
            if "-m pytest" in words:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.2 if self.count() != NOTHING else 0)
        for name in self._names:
            for owned in self.provider.list_owned():
                if owned.name == name:
                    subprocess.run(owned.remove, shell=True, check=False, stdout=subprocess.DEVNULL)
        for pid, _ in list(self._processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name in ("rootfs", "layers"):
            (self._cache / "namespace" / name).unlink(missing_ok=True)
        shutil.rmtree(self.root, ignore_errors=True)


@contextmanager
def census() -> Iterator[Census]:
    """Give a census in a folder with a short name: sockets' paths are limited."""
    assert default_cache_dir().exists(), "no images: run make setup"
    taken = Census(Path(tempfile.mkdtemp(prefix="cns-", dir="/tmp")))
    try:
        yield taken
    finally:
        taken.close()
