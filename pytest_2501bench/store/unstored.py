"""Which benchmarks may have results that are on disk and not in the database: a file for each, until all is stored.

So the next session need not look at every run there ever was to find what a crash left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import benchmark_dir
from pytest_2501bench.evidence.owner import owner_alive
from pytest_2501bench.store.repository import Store

if TYPE_CHECKING:
    from pytest_2501bench.scoring.rules import CustomValidator

FOLDER = "unstored"
"""In the bench directory."""


def mark(bench_dir: Path, benchmark_id: str) -> None:
    """Note that results of *benchmark_id* are about to come."""
    with contextlib.suppress(OSError):  # 2501bench sync finds them without the note
        (bench_dir / FOLDER).mkdir(exist_ok=True)
        (bench_dir / FOLDER / benchmark_id).touch()


def clear(bench_dir: Path, benchmark_id: str) -> None:
    """Note that all of them are stored."""
    with contextlib.suppress(OSError):
        (bench_dir / FOLDER / benchmark_id).unlink(missing_ok=True)


def import_left(bench_dir: Path, store: Store, custom: Mapping[str, CustomValidator]) -> tuple[str, ...]:
    """Store what sessions that are over could not; return the folders of those runs, relative to *bench_dir*.

    Raises:
        BenchError: ``database_lost``. A run that cannot be read is left to ``2501bench sync``, which says why.
    """
    try:
        left = [note.name for note in (bench_dir / FOLDER).iterdir()]
    except OSError:
        return ()
    left = [name for name in left if not owner_alive(benchmark_dir(bench_dir, name))]
    if not left:
        return ()
    from pytest_2501bench.store.sync import sync

    try:
        imported = sync(bench_dir, store, custom=custom).imported
    except BenchError as error:
        if error.cause is Cause.DATABASE_LOST:
            raise
        return ()
    for name in left:
        clear(bench_dir, name)
    return imported
