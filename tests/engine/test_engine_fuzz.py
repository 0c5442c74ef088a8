"""The engine's API against its own description, with requests that nobody would think of."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
from fake_servicenow.process import fake_servicenow

from pytest_2501bench.engine.process import LocalEngine
from pytest_2501bench.gateway.servicenow.instance import Instance

# An agent's tasks are listed by status and stopped by id under paths of one form (the vendor's): what one of them
# takes, the other has to answer for.
ROOMS = {"health", "hosts", "agents", "operational-rules", "specialties", "tickets", "intake"}
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
NOT_CHECKED = "allow_header_conformance,unsupported_method"


def test_no_request_breaks_the_api_or_gets_an_undocumented_answer(tmp_path: Path) -> None:
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program, "schemathesis is missing: pip install 'pytest-2501bench[dev]'"
    settings = ["--max-examples", "8", "--checks", "all", "--exclude-checks", NOT_CHECKED, "--seed", "2501"]
    with fake_servicenow() as instance:
        # With an intake it has all of its routes.
        intake = Instance.of(instance.variables).private()
        engine = LocalEngine("noop", None, tmp_path / "work", intake=intake)
        fuzz(program, engine, settings, tmp_path)


def fuzz(program: str, engine: LocalEngine, settings: list[str], folder: Path) -> None:
    """Let schemathesis ask *engine* for all that it describes."""
    endpoint = engine.start()
    try:
        described = httpx.get(
            f"{endpoint.url}/api/v1/openapi.json", headers={"Authorization": f"Bearer {endpoint.key}"}
        )
        paths = described.json()["paths"]
        operations = sum(method in METHODS for path in paths.values() for method in path)
        assert {path.split("/")[3] for path in paths} == ROOMS
        done = subprocess.run(
            [program, "run", f"{endpoint.url}/api/v1/openapi.json", "--no-color", *settings,
             "-H", f"Authorization: Bearer {endpoint.key}"],
            capture_output=True, text=True, cwd=folder, check=False, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert f"{operations} selected / {operations} total" in done.stdout
        assert f"Tested: {operations}" in done.stdout
        assert "Traceback" not in engine.log.read_text()
    finally:
        engine.stop()
