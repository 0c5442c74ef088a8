"""A playbook's output for people, written as it comes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from pytest_2501bench.errors import BenchError, Cause


class PlaybookLog:
    """Appends to *path*, flushed per line; a disk that fills up ends the log and not the playbook."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self.broken = ""

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", errors="replace")
        except OSError as e:
            raise BenchError(Cause.EVIDENCE_NOT_WRITTEN, f"{self._path}: {e.strerror}") from e
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._file is not None:
                self._file.close()
        except OSError as e:
            self.broken = self.broken or str(e.strerror)

    def write(self, text: str) -> None:
        """Append *text* as lines of its own; never raises."""
        if not text or self.broken or self._file is None:
            return
        try:
            self._file.write(text + "\n")
            self._file.flush()
        except OSError as e:
            self.broken = str(e.strerror)
