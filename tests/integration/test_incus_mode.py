"""``--mode incus``: whole benchmarks as a user types them, on a real daemon; a killed session; a sandbox by hand."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.benchmark import ROOT, environment
from support.incus import incus_state  # noqa: F401

from pytest_2501bench.evidence.folder import runs_in
from pytest_2501bench.evidence.log import read_report
from pytest_2501bench.sandbox.incus import IncusProvider
from pytest_2501bench.sandbox.namespace import default_cache_dir
from pytest_2501bench.scoring.model import Status

pytestmark = pytest.mark.incus
SCENARIOS = ("scenarios/systemd/001-unit-fails", "scenarios/disk/001-filling-disk")


def command(*words: str, bench_dir: Path) -> list[str]:
    argv = [sys.executable, "-m", "pytest", *words, "--mode", "incus", "--agent", "oracle"]
    return [*argv, "-p", "no:cacheprovider", "--bench-dir", str(bench_dir)]


@pytest.fixture
def provider(
    incus_state: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[IncusProvider]:
    """Sessions of a test share a ledger of their own, and the root filesystems of this machine."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "namespace").symlink_to(default_cache_dir() / "namespace")
    monkeypatch.setenv("BENCH_CACHE_DIR", str(cache))
    provider = IncusProvider()
    yield provider
    provider.remove_everything(living=True)


def left(provider: IncusProvider) -> list[str]:
    names = [str(row["name"]) for row in provider.server.instances()]
    return [name for name in names if name.startswith(("sbx-", "building-"))]


def test_two_at_once_are_solved_by_the_oracle_and_nothing_is_left(provider: IncusProvider, tmp_path: Path) -> None:
    done = subprocess.run(
        command(*SCENARIOS, "-n", "2", bench_dir=tmp_path / "bench"),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    reports = [read_report(folder.path) for folder in runs_in(tmp_path / "bench")]
    assert len(reports) == 2, output
    for report in reports:
        assert report.task_validation.status is Status.PASSED, output
        assert report.compliance.status is Status.PASSED, output
    assert provider.list_owned() == []
    assert left(provider) == []


def test_the_next_session_removes_what_a_killed_one_left(provider: IncusProvider, tmp_path: Path) -> None:
    session = subprocess.Popen(
        command(SCENARIOS[0], bench_dir=tmp_path / "bench"),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 120
        while not any(row["status"] == "Running" for row in provider.server.instances()):
            assert session.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        session.send_signal(signal.SIGKILL)
        session.wait()
    (orphan,) = provider.list_owned()
    assert not orphan.owner_alive
    assert left(provider) != []
    argv = [sys.executable, "-m", "pytest_2501bench.sandbox.incus", "--state-dir", str(default_cache_dir()), "reap"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == [orphan.name], done.stderr
    assert left(provider) == []
    assert provider.list_owned() == []
