"""Look at a playbook without running it: ``ansible-playbook --syntax-check``."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pytest_2501bench.playbooks.complaint import complaint
from pytest_2501bench.playbooks.message import last_lines

_TIMEOUT = 60.0


def folder_digest(folder: Path) -> str:
    """Return a digest of everything below *folder* that a playbook may include, by content."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".yml", ".yaml", ".json", ".ini", ".cfg", ".py"} and path.is_file():
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def check_syntax(playbook: Path, inventory: Path, environment: Mapping[str, str]) -> str | None:
    """Return what is wrong with *playbook* as ``file:line: words``, or None; connects to nothing.

    An unknown module or role counts, a file that is included only while the playbook runs does not.
    """
    try:
        done = subprocess.run(
            ["ansible-playbook", "--syntax-check", "-i", str(inventory), str(playbook)],
            env=dict(environment),
            cwd=playbook.parent,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{playbook.name}:1: the syntax check did not end within {_TIMEOUT:g} s"
    if done.returncode == 0:
        return None
    words = complaint(done.stderr + done.stdout, playbook.parent)
    if words is not None and words.located:
        return str(words)
    reason = str(words) if words else last_lines(done.stderr or done.stdout, 300)
    return f"{playbook.name}:1: {reason or f'ansible-playbook ended with status {done.returncode}'}"
