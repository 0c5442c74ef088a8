"""``--mode lima -n 2``: a whole benchmark with the oracle on the fake limactl, as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fake_limactl.place import fake_lima, put
from support.benchmark import ROOT, environment

from pytest_2501bench.evidence.folder import runs_in
from pytest_2501bench.evidence.log import read_report
from pytest_2501bench.sandbox.namespace import default_cache_dir
from pytest_2501bench.scoring.model import Status

pytestmark = pytest.mark.namespace
SCENARIOS = ("scenarios/systemd/001-unit-fails", "scenarios/disk/001-filling-disk")


def test_two_at_once_are_solved_by_the_oracle_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_lima() as place:
        put(place, monkeypatch)
        # The fake's machines are made of the images that this machine has already; all else is in the place.
        monkeypatch.setenv("LIMA_FAKE_CACHE", str(default_cache_dir()))
        monkeypatch.setenv("BENCH_CACHE_DIR", str(place.cache))
        argv = [sys.executable, "-m", "pytest", *SCENARIOS, "--mode", "lima", "-n", "2", "--agent", "oracle"]
        done = subprocess.run(
            [*argv, "-p", "no:cacheprovider", "--bench-dir", str(tmp_path)],
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
        reports = [read_report(folder.path) for folder in runs_in(tmp_path)]
        assert len(reports) == 2, output
        for report in reports:
            assert report.task_validation.status is Status.PASSED, output
            assert report.compliance.status is Status.PASSED, output
        assert place.provider().list_owned() == []
        assert place.instances() == ["template-debian-base"]
        assert place.processes() == []
