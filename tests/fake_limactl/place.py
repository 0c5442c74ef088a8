"""Puts the FAKE limactl in the way of a test: a LIMA_HOME of its own, and the version to behave like."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_2501bench.sandbox.lima import LimaProvider
from pytest_2501bench.sandbox.templates import Template

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Place:
    """Short paths, because of the sockets that real instances have."""

    directory: Path

    @property
    def home(self) -> Path:
        return self.directory / "lima"

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
            "LIMA_HOME": str(self.home),
            "LIMA_FAKE_AS_ROOT": "1",
            "LIMA_FAKE_PYTHON": sys.executable,
            "LIMA_TEST_CACHE": str(self.cache),
        }

    def provider(self, templates: Mapping[str, Template] | None = None) -> LimaProvider:
        return LimaProvider(self.cache, templates)

    def instances(self) -> list[str]:
        return sorted(path.name for path in self.home.iterdir() if path.name[0] not in "._")

    def processes(self) -> list[str]:
        """Return the command lines of everything that runs for this place: host agents, machines, networks."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                text = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if str(self.directory) in text and state not in "ZX" and int(process.name) != os.getpid():
                found.append(text)
        pid = self.home / "_networks" / "user-v2" / "usernet_user-v2.pid"
        return [*found, *([f"usernet {pid.read_text()}"] if pid.exists() else [])]


def provider() -> LimaProvider:
    """Return a provider for the conformance suite, which also makes one in a process of its own."""
    return LimaProvider(Path(os.environ["LIMA_TEST_CACHE"]))


@contextmanager
def fake_lima() -> Iterator[Place]:
    """Give a place; whatever is left in it is removed at the end."""
    place = Place(Path(tempfile.mkdtemp(prefix="fl")))
    programs = place.directory / "bin"
    programs.mkdir()
    for name in ("limactl", "qemu-img"):
        (programs / name).symlink_to(HERE / name)
    (programs / f"qemu-system-{platform.machine()}").symlink_to(shutil.which("false") or "/bin/false")
    place.home.mkdir()
    try:
        yield place
    finally:
        try:
            _empty(place)
        finally:
            shutil.rmtree(place.directory)


def _empty(place: Place) -> None:
    names = place.instances()
    if not names:
        return
    with pytest.MonkeyPatch.context() as patch:
        put(place, patch, "2.2.0")
        subprocess.run(["limactl", "--tty=false", "delete", "-f", *names], check=True, capture_output=True)


def put(place: Place, patch: pytest.MonkeyPatch, version: str = "2.0.3") -> None:
    """Make *place* the one that limactl and providers see."""
    for name, value in place.environment.items():
        patch.setenv(name, value)
    patch.setenv("LIMA_FAKE_VERSION", version)
    patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parent), str(HERE.parent.parent)]))
