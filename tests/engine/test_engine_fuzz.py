"""The engine's API against its own description, with requests that nobody would think of."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from pytest_2501bench.engine.process import LocalEngine

# An agent's tasks are listed by status and stopped by id under paths of one form (the vendor's): what one of them
# takes, the other has to answer for.
NOT_CHECKED = "allow_header_conformance,unsupported_method"


def test_no_request_breaks_the_api_or_gets_an_undocumented_answer(tmp_path: Path) -> None:
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program, "schemathesis is missing: pip install 'pytest-2501bench[dev]'"
    engine = LocalEngine("noop", None, tmp_path / "work")
    endpoint = engine.start()
    settings = ["--max-examples", "8", "--checks", "all", "--exclude-checks", NOT_CHECKED, "--seed", "2501"]
    try:
        done = subprocess.run(
            [program, "run", f"{endpoint.url}/api/v1/openapi.json", "--no-color", *settings,
             "-H", f"Authorization: Bearer {endpoint.key}"],
            capture_output=True, text=True, cwd=tmp_path, check=False, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert "Traceback" not in engine.log.read_text()
    finally:
        engine.stop()
