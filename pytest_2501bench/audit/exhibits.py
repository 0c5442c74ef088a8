"""What lies in a folder of evidence, as links of a chain."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from pytest_2501bench.audit.model import Link
from pytest_2501bench.audit.seal import block_digests
from pytest_2501bench.evidence.folder import EVIDENCE_FILE, unreadable

MARKER: Final = "audited.json"
"""Written by the audit itself, so it is no evidence."""

BLOCK: Final = 4096


def events(content: bytes) -> list[bytes]:
    """Return the lines of an evidence file with their line ends; a last one may have none."""
    parts = content.split(b"\n")  # not splitlines: it ends lines at \r, too
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def exhibits(folder: Path, *, deep: bool, without: Collection[str] = ()) -> Iterator[Link]:
    """Yield the links of *folder*: events of ``evidence.jsonl`` first, then every file by name.

    Args:
        folder: a run's or a benchmark's.
        deep: with the folders below it.
        without: names of folders in it to leave out: runs that have chains of their own.

    Raises:
        BenchError: ``evidence_missing``: something in it cannot be read.
    """
    try:
        if deep and (folder / EVIDENCE_FILE).is_file():
            for number, line in enumerate(events((folder / EVIDENCE_FILE).read_bytes()), start=1):
                digest = hashlib.sha256(line).hexdigest()
                yield Link(file=EVIDENCE_FILE, event=number, kind="event", size=len(line), sha256=digest)
        for path in sorted(_files(folder, deep=deep, without=without), key=os.fsencode):
            yield _link(path, path.relative_to(folder).as_posix())
    except OSError as error:
        raise unreadable(str(error.filename or folder), f"{error.strerror or error}.") from error


def _files(folder: Path, *, deep: bool, without: Collection[str] = ()) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                if deep and entry.name not in without:
                    yield from _files(path, deep=True)
            elif entry.name != MARKER:
                yield path


def _link(path: Path, name: str) -> Link:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode):
        content = path.read_bytes()
        # One block for a short file would say nothing more than its digest.
        blocks = block_digests(content, BLOCK) if len(content) > BLOCK else None
        kind = "file"
    elif stat.S_ISLNK(status.st_mode):
        content, blocks, kind = os.fsencode(path.readlink()), None, "link"
    else:
        content, blocks, kind = b"", None, "other"
    return Link(file=name, kind=kind, size=len(content), sha256=hashlib.sha256(content).hexdigest(), blocks=blocks)
