"""Characters beyond the first plane, which the grammar's scanner cannot look up, do not end the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In a process of its own: what goes wrong here is a crash.
LOOK = "import sys; from pytest_2501bench.shell.parse import parse; print([ran.program for ran in parse(sys.argv[1])])"


@pytest.mark.parametrize(
    "line",
    [
        "{\U0010f5ca",
        "id; {\U0010fffd",
        "echo ${\U0010fffd",
        "cat << E\n$({\U0010fffd)\nE",
        r"sh -c $'{\U0010fffd'",
    ],
)
def test_far_characters_are_parsed(line: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOOK, line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:1]) == (0, "["), done.stderr
