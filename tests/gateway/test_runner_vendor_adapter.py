"""examples/vendor_adapter: its own tests pass as its README says, and whole runs go over it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.plugin_project import FOUND, Project

from pytest_2501bench.errors import Cause
from pytest_2501bench.scoring.model import Status

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "vendor_adapter"


def _fake_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fake_acme", EXAMPLE / "fake_acme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_acme"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


FAKE = _fake_module()


@pytest.fixture
def acme() -> Iterator[Any]:
    with FAKE.fake_acme() as running:
        yield running


@pytest.fixture
def project(acme: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Project:
    """A project with the adapter, a mode whose hosts exist in name only, and the fake vendor as its engine."""
    made = Project(pytester, monkeypatch, tmp_path)
    shutil.copy(EXAMPLE / "acme_gateway.py", made.root)
    made.conftest((EXAMPLE / "conftest.py").read_text().replace("from __future__ import annotations", ""))
    made.write("fake_key", "CANARY")
    made.write("fake_known_hosts", "web ssh-ed25519 AAAA")
    monkeypatch.setenv("ENGINE_URL", acme.url)
    monkeypatch.setenv("ENGINE_API_KEY", FAKE.TOKEN)
    monkeypatch.setenv("PYTHONPATH", f"{os.environ['PYTHONPATH']}{os.pathsep}{made.root}")
    return made


def run(project: Project, *more: str) -> Any:
    return project.run("--gateway", "acme", "--record", "never", *more, "scenarios/", apart=True)


def test_its_own_tests_pass(tmp_path: Path) -> None:
    copy = shutil.copytree(EXAMPLE, tmp_path / "adapter", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "BENCH_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"],
        cwd=copy, env=kept, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_a_run_over_it_is_scored_like_any_other_and_leaves_nothing_behind(acme: Any, project: Project) -> None:
    project.scenario("one")
    outcome = run(project)
    outcome.counts(passed=2)
    report = project.report()
    assert (report.gateway, report.resolution_status, report.input_tokens) == ("acme", "success", 120)
    assert (acme.tables["machines"], acme.tables["operators"]) == ({}, {})
    assert "CANARY" not in outcome.out


def test_an_agent_that_gives_up_fails_and_a_fault_of_the_platform_is_an_error(acme: Any, project: Project) -> None:
    project.scenario(
        "one", bench={"outcome": [{"label": "x", "validator": "job_resolution_status", "pattern": "success"}]}
    )
    acme.verdict = "GAVE_UP"
    run(project).counts(passed=1, failed=1)
    assert project.report().failure_cause is None
    shutil.rmtree(project.bench_dir)
    acme.verdict = "PLATFORM_FAULT"
    run(project).counts(error=2)
    report = project.report()
    assert (report.status, report.failure_cause) == (Status.ERROR, Cause.ENGINE_DIED)


def test_a_guard_stops_the_work_at_the_vendor(acme: Any, project: Project) -> None:
    acme.works = False
    project.scenario("one", validation={"tasks": [], "allowedHosts": ["another-host"]})
    run(project)
    assert project.report().failure_cause is Cause.GUARD_VIOLATED
    assert all(row["withdrawn"] for row in acme.tables["incidents"].values())
    assert acme.tables["machines"] == {}


def test_work_that_does_not_end_is_withdrawn_at_the_deadline(acme: Any, project: Project) -> None:
    acme.works = False
    project.scenario("one", bench={"outcome": [FOUND], "timeouts": {"execute": 2}})
    run(project)
    assert project.report().failure_cause is Cause.JOB_TIMED_OUT
    assert all(row["withdrawn"] for row in acme.tables["incidents"].values())
