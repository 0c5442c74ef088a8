"""A project without scenarios does not notice the plugin, and one with scenarios imports late."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.plugin_project import Project

HEAVY = ("pydantic", "sqlalchemy", "alembic", "fabric", "ansible", "ansible_runner", "httpx", "fastapi", "psycopg")
OURS = {
    "pytest_2501bench",
    "pytest_2501bench.collect",
    "pytest_2501bench.course",
    "pytest_2501bench.extensions",
    "pytest_2501bench.fixtures",
    "pytest_2501bench.gathering",
    "pytest_2501bench.hooks",
    "pytest_2501bench.html_wiring",
    "pytest_2501bench.interrupt",
    "pytest_2501bench.matrix",
    "pytest_2501bench.options",
    "pytest_2501bench.plugin",
    "pytest_2501bench.preflight",
    "pytest_2501bench.state",
    "pytest_2501bench.verdict",
    "pytest_2501bench.wiring",
}
TELL = """
import sys

def pytest_unconfigure():
    import json
    with open("modules.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""


def modules(project: Project, *args: str) -> set[str]:
    """The modules that are imported at the end of a session with our plugin and no other."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_2501bench.plugin", *args],
        cwd=project.root,
        capture_output=True,
        text=True,
        env={**project.environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(json.loads((project.root / "modules.json").read_text()))


@pytest.mark.parametrize("settings", ["", "bench_mode = namespace\nbench_agent = noop\n"], ids=["default", "ini"])
def test_a_project_without_scenarios_imports_nothing_heavy(project: Project, settings: str) -> None:
    project.write("pytest.ini", f"[pytest]\n{settings}")
    project.write("conftest.py", TELL)
    project.write("test_plain.py", "def test_plain():\n    pass\n")
    found = modules(project)
    assert not found & set(HEAVY)
    assert {name for name in found if name.startswith("pytest_2501bench")} <= OURS
    assert not project.bench_dir.exists()


def test_variables_that_others_use_too_trouble_no_project_without_scenarios(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\n")
    project.write("conftest.py", "")
    project.write("test_plain.py", "def test_plain():\n    pass\n")
    for name in ("DATABASE_URL", "ENGINE_URL", "ORG_ID", "TENANT_ID", "USER_ID"):
        project.monkeypatch.setenv(name, "whatever the project uses it for")
    outcome = project.run("-p", "no:randomly")
    outcome.counts(passed=1)
    assert outcome.status == 0


def test_collecting_scenarios_opens_no_database_and_no_engine(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nbench_mode = namespace\n")
    project.write("conftest.py", TELL)
    project.scenario("nginx/001")
    found = modules(project, "--collect-only")
    assert "pydantic" in found
    assert not found & (set(HEAVY) - {"pydantic"})
    assert not project.bench_dir.exists()


def test_the_plugins_state_belongs_to_its_config(project: Project) -> None:
    project.scenario("nginx/001", tags=["web"])
    for _ in range(2):  # the keys of the first session would clash in the second one
        project.run().counts(passed=2)
    assert len({report.benchmark_id for report in project.reports()}) == 2


def test_files_and_descriptors_are_closed(project: Project) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    quiet = ("-p", "no:rerunfailures")  # which leaves a socket per session
    project.scenario("nginx/001")
    project.run(*quiet).counts(passed=2)  # opens what stays open in any case
    before = opened()
    project.run(*quiet, "--iter", "3").counts(passed=6)
    project.fault("gateway.poll", "engine_died")
    project.run(*quiet).counts(errors=2)
    assert opened() <= before
