"""A disk that is full while evidence is written: a real one, small, in a mount namespace of the session's own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.plugin_project import LOOKED, Project

from pytest_2501bench.evidence.read import read_evidence
from pytest_2501bench.store.repository import Store

BIG = [{"id": "tsk_1", "status": "completed", "agent_messages": ["x" * 1_000_000]}]
MEANWHILE = """\
mkdir -p .2501bench && mount -t tmpfs -o size={size}k none .2501bench || exit 99
"$@"
status=$?
cp -r .2501bench kept
exit $status
"""


def run_on_a_small_disk(project: Project, size: int, *args: str) -> tuple[int, str]:
    """Run pytest with a bench directory of *size* KiB; what is in it afterwards is in ``kept``."""
    new_mounts = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]
    done = subprocess.run(
        [*new_mounts, "sh", "-c", MEANWHILE.format(size=size), "sh", sys.executable, "-m", "pytest", *args],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 99, done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("database", ["elsewhere", "on the same disk"])
def test_a_disk_that_is_full_during_a_job(project: Project, database: str) -> None:
    project.scenario("disk/001")
    project.scenario("nginx/001", validation={"tasks": [LOOKED]})
    project.fakes(jobs={"Ticket of nginx/001": {"tasks": BIG}})
    if database == "elsewhere":
        project.monkeypatch.setenv("DATABASE_URL", f"sqlite:///{project.root}/results.db")
    status, out = run_on_a_small_disk(project, 800, "--assert=plain")
    assert status == 1, out
    assert "Traceback" not in out
    assert "INTERNALERROR" not in out
    assert "2 passed, 2 errors" in out, out
    assert "execute: " in out
    assert "No space left on device. Free some space there, or choose another folder for results." in out
    assert project.left() == []
    kept = {path.name.split("+run")[0]: path for path in (project.root / "kept").glob("runs/bmk_*/*+run1")}
    sound, full = kept["disk+001"] / "evidence.jsonl", kept["nginx+001"] / "evidence.jsonl"
    assert read_evidence(sound).finished_at is not None
    lost = read_evidence(full)  # what was written before the disk was full can be read
    assert lost.hosts
    assert lost.failure is not None
    assert lost.failure.cause == "evidence_not_written"
    url = f"sqlite:///{project.root}/results.db" if database == "elsewhere" else None
    with Store.open(url, project.root / "kept", "test") as store:
        states = {report.key: report.status.value for report in store.reports()}
    assert states == {"disk/001": "passed", "nginx/001": "error"}


def test_a_disk_that_is_full_before_anything_runs(project: Project) -> None:
    project.scenario("disk/001")
    project.monkeypatch.setenv("DATABASE_URL", f"sqlite:///{project.root}/results.db")
    status, out = run_on_a_small_disk(project, 4, "--assert=plain")
    assert "Traceback" not in out
    assert status == pytest.ExitCode.USAGE_ERROR, out
    assert "ERROR: pre-flight: " in out
    assert "No space left on device" in out
    assert project.calls("provider.create") == []


def test_a_disk_that_stays_full_to_the_last_byte(project: Project) -> None:
    project.scenario("disk/001")
    project.scenario("nginx/001")
    project.monkeypatch.setenv("DATABASE_URL", f"sqlite:///{project.root}/results.db")
    project.conftest("""
import os
import pytest

def fill(path):
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    for size in (65536, 4096, 1):
        try:
            while os.write(file, b"x" * size):
                pass
        except OSError:
            pass

@pytest.fixture(scope="class")
def gateway(gateway, scenario, bench_settings):
    if scenario.scenario.key == "nginx/001":
        fill(bench_settings.bench_dir / "filler")
    return gateway
""")
    status, out = run_on_a_small_disk(project, 400, "--assert=plain")
    assert status == 1, out
    assert "Traceback" not in out
    assert "INTERNALERROR" not in out
    assert "2 passed" in out
    assert "No space left on device" in out
    assert project.left() == []
    assert "1 passed of 1 scored; 1 lost to infrastructure" in out
    assert out.count("No such file") == 0
    with Store.open(f"sqlite:///{project.root}/results.db", project.root, "test") as store:
        causes = {report.key: report.failure_cause for report in store.reports()}
    assert causes == {"disk/001": None, "nginx/001": "evidence_not_written"}
