"""Recordings as the bastion writes them, of a bash that runs here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from pytest_2501bench.authoring.marked_shell import COMMAND
from pytest_2501bench.bastion.cast import Cast
from pytest_2501bench.bastion.redaction import Redaction

PROMPT = rb"\x1b\]2501;p;[^\x07]*\x07"
VI = """\
#!/bin/sh
# An editor that puts a line at the end of a file when it gets a key.
read -r key
for file; do :; done
echo "$key" >> "$file"
"""

Drive = Callable[..., bytes]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an editor in it."""
    folder = tmp_path / "home"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "vi").write_text(VI)
    (folder / "bin" / "vi").chmod(0o755)
    (folder / "site.conf").write_text("expires 7d\n")
    return folder


@pytest.fixture
def drive(home: Path) -> Drive:
    """Enter keys into a bash that marks; return what it showed. Each entry is awaited by its prompt, if it has one."""

    def run(*entries: str, command: str = COMMAND) -> bytes:
        env = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "TERM": "xterm", "LANG": "C.UTF-8"}
        shell = pexpect.spawn("/bin/sh", ["-c", command], env=env, cwd=str(home), timeout=60)
        shown = b""

        def wait() -> None:
            nonlocal shown
            shell.expect(PROMPT)
            shown += shell.before + shell.after

        wait()
        for entry in entries:
            shell.send(entry)
            if entry.endswith("\r"):
                wait()
        shell.sendline("exit")
        shell.expect(pexpect.EOF)
        shown += shell.before
        shell.close()
        return bytes(shown)

    return run


@pytest.fixture
def casts(tmp_path: Path) -> Callable[..., None]:
    """Write a recording: ``("o" or "i", text)``, one after the other."""

    def write(
        *events: tuple[str, str], host: str = "web-01", command: str | None = COMMAND, status: int | None = 0
    ) -> None:
        cast = Cast(tmp_path / "recordings" / host, host, command, size=(80, 24), redaction=Redaction())
        for code, text in events:
            (cast.input if code == "i" else cast.output)(text.encode())
        cast.end(status, 0, 0)

    return write
