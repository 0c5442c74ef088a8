"""Folders for the time of one process, and the end of those whose process was killed before it could remove them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from pytest_2501bench.process_identity import Process, this_process

_OWNER = ".owner"
_PREFIXES = ("25b-", "2501-")  # short: a socket's path has 104 bytes at most


def make_scratch(prefix: str, base: Path | None = None) -> Path:
    """Make a private folder (mode 0700) that belongs to this process.

    Args:
        prefix: of its name; one of those that :func:`sweep_scratch` knows.
        base: where; default the folder for temporary files.
    """
    assert prefix in _PREFIXES
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    (folder / _OWNER).write_text(json.dumps(asdict(this_process())), encoding="utf-8")
    return folder


@contextlib.contextmanager
def scratch(prefix: str = "25b-") -> Iterator[Path]:
    """Give a folder as :func:`make_scratch` does, and remove it."""
    folder = make_scratch(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch(before: Callable[[Path], object] = lambda _folder: None) -> list[Path]:
    """Remove this user's folders of processes that have ended without removing them; return them.

    Args:
        before: called with each folder before it is removed, to end what still uses it.
    """
    removed = []
    for base in {Path(tempfile.gettempdir()), Path("/tmp")}:  # noqa: S108 - where sockets go if the other is too long
        with contextlib.suppress(OSError):
            for folder in list(base.iterdir()):
                if folder.name.startswith(_PREFIXES) and _orphaned(folder):
                    before(folder)
                    shutil.rmtree(folder, ignore_errors=True)
                    removed.append(folder)
    return removed


def _orphaned(folder: Path) -> bool:
    """Say whether *folder* is ours and its process has ended; without a (whole) note of its owner it is not ours."""
    try:
        about = folder.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
            return False
        owner = Process(**json.loads((folder / _OWNER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return False
    return not (owner.alive() or owner.out_of_sight())
