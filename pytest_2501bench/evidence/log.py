"""Writing a run's evidence: append-only JSONL, on disk before the run goes on."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import (
    EVIDENCE_FILE,
    canonical,
    not_written,
    read_report,
    runs_in,
    sync_directory,
    write_report,
)
from pytest_2501bench.evidence.model import (
    AgentRecord,
    FailureRecord,
    HostChanges,
    HostRecord,
    JobRecord,
    KeptRecord,
    LeftRunning,
    PhaseRecord,
    PlaybookRecord,
    Recording,
    RunStarted,
    TicketRecord,
)
from pytest_2501bench.evidence.owner import OWNER_FILE, owner_line
from pytest_2501bench.evidence.read import read_evidence

__all__ = ["AlreadyRun", "EvidenceLog", "read_evidence", "read_report", "runs_in", "write_report"]


class AlreadyRun(BenchError):  # noqa: N818 - a fact about the run, not a fault
    """The run was made before, by this process or another: its folder exists.

    Attributes:
        run_dir: the folder.
    """

    def __init__(self, run_dir: Path) -> None:
        super().__init__(Cause.HARNESS_BUG, f"{run_dir}: this run was made before; a run happens exactly once.")
        self.run_dir = run_dir


class EvidenceLog:
    """The writer of one run's ``evidence.jsonl``; may be used from several threads.

    Every method raises ``evidence_not_written`` when the disk does not take the line; what was written before stays
    readable, and writing may be tried again. Methods return only when the line is on disk (fsync), except polled jobs.
    """

    def __init__(self, run_dir: Path, descriptor: int) -> None:
        self.run_dir = run_dir
        self.path = run_dir / EVIDENCE_FILE
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._seq = 0
        self._size = 0  # up to the end of the last whole line
        self._link = ""  # digest of the last whole line; the next one holds it
        self._unsynced = False
        self._last_job: JobRecord | None = None

    @classmethod
    def create(cls, run_dir: Path, started: RunStarted) -> Self:
        """Make *run_dir* with the head of the evidence in it, all at once.

        Raises:
            AlreadyRun: *run_dir* exists.
            BenchError: ``evidence_not_written``.
        """
        # Made under another name and renamed: a crash leaves a run with a readable head, or no run.
        new = run_dir.with_name(f".{run_dir.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            run_dir.parent.mkdir(parents=True, exist_ok=True)
            if run_dir.exists():
                raise AlreadyRun(run_dir)
            new.mkdir()
            try:
                log = cls._start(new, run_dir, started)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
            sync_directory(run_dir.parent)
        except OSError as error:
            raise not_written(run_dir, error) from error
        return log

    @classmethod
    def _start(cls, new: Path, run_dir: Path, started: RunStarted) -> Self:
        (new / OWNER_FILE).write_text(owner_line())
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        log = cls(run_dir, os.open(new / EVIDENCE_FILE, flags, 0o644))
        try:
            log._write("run", started.model_dump(mode="json"))
            sync_directory(new)
            new.rename(run_dir)  # refused when the folder exists with something in it, and ours always has
        except OSError as error:
            log.close()
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                raise AlreadyRun(run_dir) from error
            raise
        except BaseException:
            log.close()
            raise
        return log

    def hosts(self, records: Sequence[HostRecord]) -> None:
        """Record the hosts of the run; a second call replaces the first."""
        self._write("hosts", {"hosts": [record.model_dump(mode="json") for record in records]})

    def agents(self, records: Sequence[AgentRecord]) -> None:
        """Record the agents of the run; a second call replaces the first."""
        self._write("agents", {"agents": [record.model_dump(mode="json") for record in records]})

    def phase(self, record: PhaseRecord) -> None:
        """Record a phase that ended."""
        self._write("phase", record.model_dump(mode="json"))

    def playbook(self, record: PlaybookRecord) -> None:
        """Record a playbook that ended."""
        self._write("playbook", record.model_dump(mode="json"))

    def ticket(self, record: TicketRecord) -> None:
        """Record the ticket; the last one counts."""
        self._write("ticket", record.model_dump(mode="json"))

    def job(self, record: JobRecord, *, sync: bool = True) -> None:
        """Record the job; the last one counts. With *sync* false (polling) the line may be lost in a power cut.

        A job that did not change since the last poll is not written again.
        """
        with self._lock:
            if record != self._last_job:
                self._write("job", record.model_dump(mode="json"), sync=sync)
                self._last_job = record
            elif sync and self._unsynced:
                self._sync()

    def failure(self, record: FailureRecord) -> None:
        """Record what kept the run from an ordinary end; the last one counts."""
        self._write("failure", record.model_dump(mode="json"))

    def warning(self, message: str) -> None:
        """Record something that the reader of the report must know and that changes no verdict."""
        self._write("warning", {"message": message})

    def left_running(self, records: Sequence[LeftRunning]) -> None:
        """Record what still ran on the hosts when the job was over; a second call replaces the first."""
        self._write("left_running", {"processes": [record.model_dump(mode="json") for record in records]})

    def host_changes(self, record: HostChanges) -> None:
        """Record what the agent changed on the hosts; a second call replaces the first."""
        self._write("host_changes", record.model_dump(mode="json"))

    def recordings(self, records: Sequence[Recording]) -> None:
        """Record which SSH sessions can be replayed; a second call replaces the first."""
        self._write("recordings", {"recordings": [record.model_dump(mode="json") for record in records]})

    def unreached(self, host_names: Sequence[str]) -> None:
        """Record which hosts could not be reached while the job ran; a second call replaces the first."""
        self._write("unreached", {"hosts": list(host_names)})

    def kept(self, record: KeptRecord) -> None:
        """Record that the hosts were left up on purpose."""
        self._write("kept", record.model_dump(mode="json"))

    def finish(self, at: float | None = None) -> None:
        """Record that the run ended (Unix seconds; now by default): the evidence is whole. Closes the log."""
        self._write("finish", {"at": time.time() if at is None else at})
        self.close()

    def close(self) -> None:
        """Close the file; harmless when repeated. A log closed without :meth:`finish` is an interrupted run."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, kind: str, data: dict[str, Any], *, sync: bool = True) -> None:
        with self._lock:
            if self._descriptor < 0:
                raise BenchError(Cause.HARNESS_BUG, f"{self.path}: the run is over; {kind} came too late.")
            entry = {"seq": self._seq + 1, "at": time.time(), "type": kind, "data": data}
            line = canonical(entry | ({"prev": self._link} if self._link else {})) + b"\n"
            try:
                self._cut_off_half_line()
                _write_all(self._descriptor, line)
            except OSError as error:
                with contextlib.suppress(OSError):
                    self._cut_off_half_line()
                raise not_written(self.path, error) from error
            self._seq += 1
            self._size += len(line)
            self._link = hashlib.sha256(line).hexdigest()
            self._unsynced = True
            if sync:
                self._sync()

    def _cut_off_half_line(self) -> None:
        """Remove what a full disk or an interrupt left behind the last whole line, so that the next one is readable."""
        if os.fstat(self._descriptor).st_size > self._size:
            os.ftruncate(self._descriptor, self._size)

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise not_written(self.path, error) from error
        self._unsynced = False


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:  # a nearly full disk takes a part, and refuses at the next call
        rest = rest[os.write(descriptor, rest) :]
