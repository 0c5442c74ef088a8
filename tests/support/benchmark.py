"""A whole benchmark in a process of its own: `pytest scenarios/ …`, as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.evidence.folder import RunFolder, runs_in
from pytest_2501bench.evidence.log import read_evidence, read_report
from pytest_2501bench.evidence.model import Evidence
from pytest_2501bench.report.model import ScenarioReport

ROOT = Path(__file__).parents[2]
AGENTS = Path(__file__).parent / "agents"


@dataclass(frozen=True)
class Finished:
    """A session that ended."""

    status: int
    output: str
    bench_dir: Path
    seconds: float

    @property
    def folders(self) -> dict[str, RunFolder]:
        return {
            read_report(folder.path).nodeid.split("/scenario.json")[0]: folder for folder in runs_in(self.bench_dir)
        }

    @property
    def reports(self) -> dict[str, ScenarioReport]:
        """By scenario folder: ``scenarios/nginx/001-broken-config``."""
        return {name: read_report(folder.path) for name, folder in self.folders.items()}

    def evidence(self, name: str) -> Evidence:
        return read_evidence(self.folders[name].evidence)


def command(*arguments: str, bench_dir: Path) -> list[str]:
    """Return the command line of a benchmark whose results go to *bench_dir*; *arguments* may say another mode."""
    options = ["-p", "no:cacheprovider", "-p", "no:randomly", "--mode", "namespace", "--bench-dir", str(bench_dir)]
    return [sys.executable, "-m", "pytest", *options, *arguments]


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without what pytest put there for itself."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))} | changes


def benchmark(
    *arguments: str, bench_dir: Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: float = 300
) -> Finished:
    """Run a benchmark to its end."""
    start = time.monotonic()
    done = subprocess.run(
        command(*arguments, bench_dir=bench_dir),
        cwd=cwd,
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, bench_dir, time.monotonic() - start)
