"""Memory that all sandboxes of this user on this machine take together: one ticket per run, first come, first served.

A ticket is a file that its owner keeps locked (``flock``): the kernel drops the lock when the owner dies, however it
dies, and whoever looks next sweeps the file. So nothing has to be cleaned up after ``kill -9``.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from pytest_2501bench.sandbox.protocol import HostSpec, Progress, SandboxProvider, silent

POLL_SECONDS: Final = 0.1
_SLACK: Final = 1e-9  # GB; sums of fractions are not exact
_serial = itertools.count()


def needed_gb(provider: SandboxProvider, specs: Sequence[HostSpec]) -> float:
    """Return the GB that a run with these hosts takes; 0 where hosts are not made for the run."""
    each = [provider.capabilities(spec.template) for spec in specs]
    return sum(capabilities.ram_gb for capabilities in each if capabilities.fresh)


def gigabytes(number: float) -> str:
    """Return *number* for people: ``1.5``, ``16``."""
    return f"{number:.10g}" if number == round(number, 1) else f"{number:.1f}"


class RamTicket:
    """Memory that one run takes until :meth:`release`, or until its process is gone."""

    def __init__(self, path: Path, file: TextIO, gb: float) -> None:
        self.gb = gb
        self._path = path
        self._file: TextIO | None = file

    def release(self) -> None:
        """Give the memory back; harmless when repeated."""
        file, self._file = self._file, None
        if file is None:
            return
        with contextlib.suppress(OSError):  # a file that stays is swept, because its lock is gone
            self._path.unlink()
        file.close()

    def _write(self, *, held: bool) -> None:
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        json.dump({"gb": self.gb, "held": held}, self._file)
        self._file.flush()


@dataclass(frozen=True, slots=True)
class _Seen:
    name: str
    gb: float
    held: bool


class RamPool:
    """The tickets below one directory, which all sessions share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def take(
        self,
        gb: float,
        *,
        cap: float | None = None,
        progress: Progress = silent,
        poll: float = POLL_SECONDS,
    ) -> RamTicket:
        """Wait until *gb* more fit below *cap*, and take them.

        Tickets of sessions without a cap count, but do not wait. Whoever came first is served first, even if a smaller
        request behind it would fit: else a big run could wait for ever.

        Args:
            gb: memory that the run needs.
            cap: GB that all runs on this machine may take together; None: take it at once.
            progress: is told what is waited for, whenever that changes.
            poll: seconds between two looks.

        Raises:
            ValueError: *gb* is more than *cap*.
            OSError: the directory cannot be written.
        """
        if cap is not None and gb > cap + _SLACK:
            raise ValueError(f"{gigabytes(gb)} GB are more than the cap of {gigabytes(cap)} GB")
        with self._locked():
            path = self._directory / f"{time.time_ns():020d}-{os.getpid()}-{next(_serial)}.ticket"
            ticket = RamTicket(path, path.open("w+", encoding="utf-8"), gb)
            assert ticket._file is not None
            fcntl.flock(ticket._file, fcntl.LOCK_EX)
            ticket._write(held=cap is None)
        told = ""
        try:
            while cap is not None:
                with self._locked():
                    others = [seen for seen in self._living() if seen.name != path.name]
                    taken = sum(seen.gb for seen in others if seen.held)
                    before = sum(1 for seen in others if not seen.held and seen.name < path.name)
                    if not before and taken + gb <= cap + _SLACK:
                        ticket._write(held=True)
                        break
                line = _waiting(gb, taken, cap, before)
                if line != told:
                    progress(line)
                    told = line
                time.sleep(poll)
        except BaseException:
            ticket.release()
            raise
        return ticket

    def taken_gb(self) -> float:
        """Return how much the living tickets hold."""
        with self._locked():
            return sum(seen.gb for seen in self._living() if seen.held)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _living(self) -> list[_Seen]:
        """Return the tickets whose owners live, the oldest first; sweep the others."""
        found = []
        for path in sorted(self._directory.glob("*.ticket")):
            try:
                file = path.open("r", encoding="utf-8")
            except FileNotFoundError:
                continue
            with file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    told = json.loads(file.read())  # written under the pool's lock, hence whole
                    found.append(_Seen(path.name, float(told["gb"]), bool(told["held"])))
                else:
                    path.unlink(missing_ok=True)
        return found


def _waiting(gb: float, taken: float, cap: float, before: int) -> str:
    line = f"waiting for memory: needs {gigabytes(gb)} GB, {gigabytes(taken)} of {gigabytes(cap)} GB are taken"
    return line + (f", {before} run{'s' if before > 1 else ''} before it" if before else "")
