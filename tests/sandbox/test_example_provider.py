"""examples/provider: a third party's mode, installed nowhere but on a path, passes the conformance suite."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import Host, HostSpec

pytestmark = pytest.mark.namespace

RULE = {"label": "says it", "validator": "pattern_match"}
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "provider"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the example, so that nothing is written into the checkout."""
    return Path(
        shutil.copytree(EXAMPLE, tmp_path / "provider", ignore=shutil.ignore_patterns("__pycache__", ".*", "*.state"))
    )


def _pytest(project: Path, *arguments: str, machines: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "BENCH_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env={**kept, "POOL_MACHINES": str(machines)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def _machine(host: Host) -> str:
    known = host.ssh.known_hosts.read_text(encoding="utf-8").splitlines()
    (host_key,) = (line.split(" ", 1)[1] for line in known if line.startswith(f"{host.ssh.hostname} "))
    values = {
        "id": host.host_name,
        "user": host.ssh.user,
        "key": str(host.ssh.identity_file),
        "host_key": host_key,
        "proxy_command": host.ssh.proxy_command,
        "systemd": host.systemd,
    }
    return "[[machine]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def test_the_example_passes_the_conformance_suite_with_three_machines(
    provider: NamespaceProvider, project: Path
) -> None:
    sandbox = provider.create([HostSpec(f"lab-{number}") for number in (1, 2, 3)])
    machines = project / "machines.toml"
    machines.write_text("\n".join(_machine(host) for host in sandbox.hosts), encoding="utf-8")

    done = _pytest(project, "-q", machines=machines)

    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout.splitlines()[-1]
    assert "skipped" not in done.stdout
    assert list((project / "machines.state" / "sandboxes").iterdir()) == []


def test_its_entry_point_offers_the_mode_and_a_wrong_list_is_one_line(project: Path) -> None:
    scenario = project / "scenarios" / "a" / "scenario.json"
    scenario.parent.mkdir(parents=True)
    scenario.write_text(
        json.dumps(
            {
                **{"key": "a", "title": "a", "description": "a", "ticket_title": "a", "ticket_body": "a"},
                "hosts": [{"host_id": "hst_1", "host_name": "web-01"}],
                "bench": {"outcome": [{**RULE, "where": "job_resolution", "pattern": "x"}]},
            }
        ),
        encoding="utf-8",
    )
    machines = project / "machines.toml"
    machines.write_text("machine = 1", encoding="utf-8")

    done = _pytest(
        project, *("-p", "pool_mode.plugin", "scenarios/", "--mode", "pool", "--bench-check"), machines=machines
    )

    said = done.stdout + done.stderr
    assert f"POOL_MACHINES {machines}: not a list of machines" in said
    assert "Traceback" not in said
    assert done.returncode == 4


def test_a_factory_that_is_not_importable_is_one_line(project: Path) -> None:
    test = project / "tests" / "test_pool.py"
    test.write_text(test.read_text(encoding="utf-8").replace("from_environment", "no_such"), encoding="utf-8")

    done = _pytest(project, "-q", "-k", "preflight", machines=project / "machines.toml")

    assert "factory = 'pool_mode.provider:no_such': not importable as 'package.module:callable'" in done.stdout
    assert "Traceback" not in done.stdout
