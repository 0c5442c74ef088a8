#!/usr/bin/env python3
"""Repairs nothing, and searches host and surroundings for traces of the scenario; its report is what it found, as JSON.

$SEARCH has the words in base64, so that the search does not find itself: {"everywhere": […], "changed": […]}. The
second are searched only in what is younger than the host's boot.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path


def given(words: list[str]) -> list[str]:
    """Return where one of *words* is in what this agent was given: folder, environment, arguments, input, parents."""
    paths = list(Path.cwd().rglob("*"))
    texts = {f"file {path}": path.read_bytes() for path in paths if path.is_file()}
    texts["names"] = "\n".join(map(str, paths)).encode()
    texts["input"] = sys.stdin.buffer.read()
    pid = os.getpid()
    while pid > 1:
        process = Path(f"/proc/{pid}")
        command = (process / "cmdline").read_bytes()
        if b"\0-m\0pytest\0" in command:  # the harness itself, which somebody called with the scenario's name
            break
        texts[f"arguments of {command!r}"] = command
        texts[f"environment of {command!r}"] = (process / "environ").read_bytes()
        pid = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return [f"{where}: {word}" for where, text in texts.items() for word in words if word.encode() in text]


def main() -> None:
    search = os.environ["SEARCH"]
    program = Path(__file__).with_name("traces_on_host.py").read_text() + f"\nmain({search!r})\n"
    done = subprocess.run(
        ["ssh", "-F", os.environ["BENCH_SSH_CONFIG"], "web-01", "python3 -"],
        input=program,
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr}
    answer["given"] = given(json.loads(base64.b64decode(search))["everywhere"])
    Path(os.environ["BENCH_REPORT"]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
