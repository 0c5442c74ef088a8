"""Where runs lie on disk: ``<bench dir>/runs/<benchmark>/<run>/``, and the documents that are replaced as a whole."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.model import Record
from pytest_2501bench.evidence.owner import OWNER_FILE, owner_alive, owner_line
from pytest_2501bench.matrix import run_name
from pytest_2501bench.report.model import Benchmark, ScenarioReport

RUNS = "runs"
EVIDENCE_FILE = "evidence.jsonl"
REPORT_FILE = "report.json"
BENCHMARK_FILE = "benchmark.json"

_Document = TypeVar("_Document", bound=Record)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder, as found on disk."""

    path: Path
    benchmark_id: str  # the name of its parent folder
    relative: str  # to the bench directory: what ScenarioReport.evidence says

    @property
    def evidence(self) -> Path:
        """The run's evidence file."""
        return self.path / EVIDENCE_FILE

    @property
    def has_report(self) -> bool:
        """Whether the run was scored."""
        return (self.path / REPORT_FILE).is_file()

    @property
    def owner_alive(self) -> bool:
        """Whether the process that made the run still works."""
        return owner_alive(self.path)


def benchmark_dir(bench_dir: Path, benchmark_id: str) -> Path:
    """Return the folder of one benchmark."""
    return bench_dir / RUNS / benchmark_id


def run_dir(
    bench_dir: Path, benchmark_id: str, key: str, iteration: int, attempt: int = 1, *, variant: str = ""
) -> Path:
    """Return the folder of one run: the same for every process that would run it, so that only one can make it.

    *attempt* counts retries after infrastructure faults, each with evidence of its own.
    """
    # "+" and no other separator: keys and variants cannot contain it, so no two runs share a folder.
    name = f"{key}+{run_name(iteration, variant)}".replace("/", "+") + (f"+attempt{attempt}" if attempt > 1 else "")
    return benchmark_dir(bench_dir, benchmark_id) / name


def runs_in(bench_dir: Path) -> Iterator[RunFolder]:
    """Yield every run's folder under *bench_dir*, ordered by benchmark and name."""
    for parent in benchmark_dirs(bench_dir):
        for path in _folders(parent):
            yield RunFolder(path, parent.name, path.relative_to(bench_dir).as_posix())


def runs_in_benchmark(bench_dir: Path, benchmark_id: str) -> Iterator[RunFolder]:
    """Yield the folders of one benchmark's runs, ordered by name."""
    for path in _folders(benchmark_dir(bench_dir, benchmark_id)):
        yield RunFolder(path, benchmark_id, path.relative_to(bench_dir).as_posix())


def benchmark_dirs(bench_dir: Path) -> list[Path]:
    """Return every benchmark's folder under *bench_dir*."""
    return _folders(bench_dir / RUNS)


def _folders(parent: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:  # scandir: 100,000 runs without a stat each
            names = [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [parent / name for name in sorted(names)]


def write_report(run_folder: Path, report: ScenarioReport) -> None:
    """Write ``report.json``: whole or not at all. Raises ``evidence_not_written``."""
    _write(run_folder / REPORT_FILE, report)


def read_report(run_folder: Path) -> ScenarioReport:
    """Read ``report.json``. Raises ``evidence_missing`` when it is absent or not a report."""
    return _read(run_folder / REPORT_FILE, ScenarioReport)


def write_benchmark(bench_dir: Path, benchmark: Benchmark) -> Path:
    """Write ``benchmark.json``, at the start and again at the end; return its folder. Raises ``evidence_not_written``.

    The first write says that this process owns the benchmark.
    """
    folder = benchmark_dir(bench_dir, benchmark.id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / OWNER_FILE).exists():
            replace_file(folder / OWNER_FILE, owner_line().encode())
    except OSError as error:
        raise not_written(folder, error) from error
    _write(folder / BENCHMARK_FILE, benchmark)
    return folder


def read_benchmark(folder: Path) -> Benchmark:
    """Read ``benchmark.json`` of a benchmark's folder. Raises ``evidence_missing``."""
    return _read(folder / BENCHMARK_FILE, Benchmark)


def canonical(value: Any) -> bytes:
    """Return *value* as canonical JSON: sorted keys, compact, UTF-8; equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # A lone surrogate (a command's undecodable output) has no UTF-8 form, but \udXXX is what JSON calls it.
    return text.encode("utf-8", "backslashreplace")


def replace_file(path: Path, content: bytes) -> None:
    """Write *path* so that a crash leaves the old content or the new one, never half of it.

    Raises:
        OSError: disk full, no permission …; the old content stands.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make new names in *path* survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_REMEDIES = {
    errno.ENOSPC: "Free some space there, or choose another folder for results.",
    errno.EDQUOT: "Your disk quota is used up: free some space there, or choose another folder for results.",
    errno.EACCES: "Give this user write permission there, or choose another folder for results.",
    errno.EPERM: "Give this user write permission there, or choose another folder for results.",
    errno.EROFS: "Choose a folder for results on a writable file system.",
    errno.EIO: "The disk reports a fault: check it, or choose another folder for results.",
    errno.EFBIG: "Raise this user's limit on file sizes (ulimit -f).",
    errno.ENAMETOOLONG: "Choose a folder for results with a shorter path.",
}


def not_written(path: Path, error: OSError) -> BenchError:
    """Return the error for evidence at *path* that *error* kept from being written."""
    remedy = _REMEDIES.get(error.errno or 0, "")
    return BenchError(Cause.EVIDENCE_NOT_WRITTEN, f"{path}: {error.strerror or error}.", remedy=remedy)


def unreadable(where: str, why: str) -> BenchError:
    """Return the error for evidence that cannot be read."""
    return BenchError(Cause.EVIDENCE_MISSING, f"{where}: {why}")


def first_problem(error: ValidationError, at: str = "") -> str:
    """Return the first thing that is wrong, as ``/json/pointer: words``; *at* is where the validated value stands."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    pointer = at + "".join(f"/{part}" for part in first["loc"])
    return f"{pointer}: {first['msg']}" if pointer else str(first["msg"])


def _write(path: Path, document: Record) -> None:
    try:
        replace_file(path, canonical(document.model_dump(mode="json")) + b"\n")
    except OSError as error:
        failure = not_written(path, error)
        failure.phase = Phase.REPORT
        raise failure from error


def _read(path: Path, model: type[_Document]) -> _Document:
    try:
        return model.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise unreadable(str(path), f"{error.strerror or error}.") from error
    except ValidationError as error:
        raise unreadable(str(path), first_problem(error)) from error
    except ValueError as error:  # not JSON, or not UTF-8
        raise unreadable(str(path), f"not JSON: {error}") from error
