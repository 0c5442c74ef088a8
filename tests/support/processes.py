"""Other Python processes that share this checkout, for tests of what several processes do at once."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent


def python(code: str, *arguments: str, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start Python with *code*; the package and ``support`` are importable there. Warnings are errors."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    return subprocess.Popen(
        [*prefix, sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def results(processes: Sequence[subprocess.Popen[str]], *, timeout: float = 60) -> list[str]:
    """Wait for all, and return what each one printed; a failed one fails the test with its words."""
    outputs = []
    try:
        for process in processes:
            out, err = process.communicate(timeout=timeout)
            assert process.returncode == 0, err or out
            assert not err, err
            outputs.append(out.strip())
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
    return outputs
