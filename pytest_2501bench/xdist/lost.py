"""Runs whose worker is dead: scored from what is on disk, or recorded as lost; so each stands in the summary."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.folder import RunFolder
from pytest_2501bench.evidence.owner import OWNER_FILE
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.session import BenchSession
from pytest_2501bench.store.sync import report_of

_DYING_SECONDS: Final = 5.0


def settle_dead(
    bench: BenchSession, known: Collection[str], *, died: str = "", pid: int | None = None
) -> Iterator[tuple[ScenarioReport | None, str]]:
    """Store the runs of this benchmark whose process is gone.

    Args:
        bench: the session.
        known: folders of runs that need nothing more, relative to the bench directory.
        died: the worker that did, for runs that have no verdict; by default the whole session ended.
        pid: a process that is just dying: its pipes end before it does, so it is waited for.

    Yields:
        (the run's report, what is wrong); either may be missing.
    """
    for folder in _folders(bench):
        if folder.relative in known or not _gone(folder, pid):
            continue
        try:
            scored = report_of(folder, bench.custom, died=died)
            bench.keep(scored)
        except BenchError as exc:
            yield None, str(exc)
        else:
            yield scored, ""


def _folders(bench: BenchSession) -> list[RunFolder]:
    try:
        paths = sorted(path for path in bench.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    base = bench.settings.bench_dir
    return [RunFolder(path, bench.benchmark_id, path.relative_to(base).as_posix()) for path in paths]


def _gone(folder: RunFolder, pid: int | None) -> bool:
    end = time.monotonic() + _DYING_SECONDS
    while folder.owner_alive:
        if pid is None or _owner(folder.path) != pid or time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _owner(path: Path) -> int | None:
    try:
        return int(json.loads((path / OWNER_FILE).read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
