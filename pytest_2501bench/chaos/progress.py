"""How far a session's run is, as its evidence on disk tells: nothing in the run knows that it is watched."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Final

from pytest_2501bench.errors import Phase
from pytest_2501bench.evidence.folder import EVIDENCE_FILE, REPORT_FILE, RUNS

_BEFORE: Final = {
    Phase.PREPARE: Phase.PROVISION,
    Phase.FLUSH: Phase.PREPARE,
    Phase.EXECUTE: Phase.FLUSH,
    Phase.VALIDATE: Phase.EXECUTE,
    Phase.RESTORE: Phase.VALIDATE,
}
"""A phase has begun when the one before it is recorded."""


class Progress:
    """The one run of the session that begins now in *bench_dir*."""

    def __init__(self, bench_dir: Path) -> None:
        self._runs = bench_dir / RUNS
        self._old = set(self._benchmarks())
        self._read = 0
        self._ended: set[Phase] = set()

    def _benchmarks(self) -> list[str]:
        try:
            return [path.name for path in self._runs.iterdir() if not path.name.startswith(".")]
        except OSError:
            return []

    @property
    def benchmark_id(self) -> str | None:
        """The session's benchmark, once there is one."""
        return next((name for name in self._benchmarks() if name not in self._old), None)

    def begun(self, phase: Phase) -> bool:
        """Say whether the run has come to *phase*."""
        name = self.benchmark_id
        if name is None:
            return False
        folder = next((f for f in (self._runs / name).iterdir() if f.is_dir() and not f.name.startswith(".")), None)
        if folder is None:
            return False
        if phase is Phase.PROVISION:
            return True
        self._look(folder / EVIDENCE_FILE)
        if phase is Phase.RESTORE and not (folder / REPORT_FILE).exists():
            return False
        return _BEFORE[phase] in self._ended

    def _look(self, file: Path) -> None:
        with contextlib.suppress(OSError), file.open("rb") as stream:
            stream.seek(self._read)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                entry = json.loads(line)
                if entry["type"] == "phase":
                    self._ended.add(Phase(entry["data"]["name"]))
