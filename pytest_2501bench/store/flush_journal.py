"""What a flush is about to remove, on disk, so that one that was killed is finished and nothing is left by halves."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import RUNS, canonical, not_written, replace_file, sync_directory, unreadable
from pytest_2501bench.evidence.model import Record

_JOURNAL: Final = "flush.json"


class Doomed(Record):
    """One run that goes: its row, and its folder relative to the bench directory ("": it has none)."""

    run_id: str
    folder: str


class Journal(Record):
    """A flush under way, or cut off: rows go first, then folders, then this file.

    Attributes:
        database: as it is shown; rows of another one are not meant.
        runs: what goes.
        benchmarks: ids of sessions of which nothing is left then.
    """

    database: str
    runs: tuple[Doomed, ...] = ()
    benchmarks: tuple[str, ...] = ()


@contextmanager
def alone(bench_dir: Path) -> Iterator[None]:
    """Keep other flushes of *bench_dir* away; the folder itself is what is locked, so nothing is left behind.

    Raises:
        BenchError: ``option_invalid``: another process flushes; ``evidence_not_written``.
    """
    try:
        descriptor = os.open(bench_dir, os.O_RDONLY)
    except OSError as error:
        raise not_written(bench_dir, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError(
                Cause.OPTION_INVALID, f"{bench_dir}: another flush is at work.", remedy="Try again when it is done."
            ) from None
        yield
    finally:
        os.close(descriptor)


def write_journal(bench_dir: Path, journal: Journal) -> None:
    """Write down what goes next; it survives a power cut. Raises ``evidence_not_written``."""
    try:
        replace_file(bench_dir / _JOURNAL, canonical(journal.model_dump(mode="json")) + b"\n")
    except OSError as error:
        raise not_written(bench_dir / _JOURNAL, error) from error


def read_journal(bench_dir: Path) -> Journal | None:
    """Return what a flush that was cut off had begun, or None. Raises ``evidence_missing`` when it is unreadable."""
    path = bench_dir / _JOURNAL
    try:
        return Journal.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise unreadable(str(path), f"not the journal of a flush: {str(error).splitlines()[0]}") from error


def forget_journal(bench_dir: Path) -> None:
    """All of it is done."""
    (bench_dir / _JOURNAL).unlink(missing_ok=True)
    sync_directory(bench_dir)


def pending_folders(bench_dir: Path) -> frozenset[str]:
    """Return the folders whose rows may be gone already: importing them would undo a flush that was cut off."""
    with contextlib.suppress(BenchError):
        journal = read_journal(bench_dir)
        return frozenset(run.folder for run in journal.runs) if journal is not None else frozenset()
    return frozenset()


def own_folder(bench_dir: Path, benchmark_id: str, folder: str) -> Path | None:
    """Return the run's folder, or None when *folder* is not one of the benchmark below the bench directory.

    A database is shared, and what it says is not a reason to remove whatever folder it names.
    """
    parent, _, name = folder.rpartition("/")
    if parent != f"{RUNS}/{benchmark_id}" or name in ("", ".", ".."):
        return None
    return bench_dir / folder


def remove_folder(path: Path) -> None:
    """Remove a folder; out of sight at once, so that nothing reads what is left of it. Harmless when repeated.

    Raises:
        BenchError: ``evidence_not_written``: it could not be removed.
    """
    hidden = path.with_name(f".flushed-{path.name}")
    try:
        if path.exists():
            if hidden.exists():
                shutil.rmtree(hidden)
            path.rename(hidden)
        if hidden.exists():
            shutil.rmtree(hidden)
    except OSError as error:
        failure = not_written(path, error)
        raise BenchError(failure.cause, f"cannot be removed: {failure.message}", remedy=failure.remedy) from error
