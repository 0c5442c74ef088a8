"""Stored runs as junit XML, of the shape that pytest itself gives to a session of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import IO, BinaryIO, Final
from xml.sax.saxutils import escape, quoteattr

from pytest_2501bench.errors import Gate
from pytest_2501bench.report.findings import gates_of, is_lost
from pytest_2501bench.report.junit import properties
from pytest_2501bench.report.model import CheckResult, ScenarioReport
from pytest_2501bench.report.plain import printable
from pytest_2501bench.report.terminal import gate_message
from pytest_2501bench.scoring.model import GateResult, Status

_IN_MEMORY: Final = 8 * 1024 * 1024
_HEAD: Final = '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">'


@dataclass(slots=True)
class _Counts:
    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    seconds: float = 0.0


def write_junit(target: BinaryIO, reports: Iterable[ScenarioReport], machine: Callable[[str], str]) -> int:
    """Write a test suite for each benchmark, and in it a test case for each gate and check; return how many runs.

    Names, classes, outcomes and properties are those of ``pytest --junitxml``. A run's time is that of its first case.
    Skipped runs and ``--require``'s verdicts are not there, because they are not stored.

    Args:
        target: where to.
        reports: those of one benchmark together.
        machine: benchmark id → on which machine it ran.
    """
    count = 0
    target.write(_HEAD.encode())
    for benchmark_id, runs in groupby(reports, key=lambda report: report.benchmark_id):
        # The suite's head has the sums, so its cases must wait; on disk if they are many.
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as waiting:
            counts, started = _Counts(), None
            for report in runs:
                started = report.started_at if started is None else min(started, report.started_at)
                _write_cases(waiting, report, counts)
                count += 1
            target.write(_suite(benchmark_id, counts, started or 0.0, machine(benchmark_id)).encode())
            waiting.seek(0)
            while block := waiting.read(1024 * 1024):
                target.write(block)
        target.write(b"</testsuite>")
    target.write(b"</testsuites>")
    return count


def _suite(benchmark_id: str, counts: _Counts, started: float, machine: str) -> str:
    attributes = {
        "name": "pytest",
        "errors": str(counts.errors),
        "failures": str(counts.failures),
        "skipped": str(counts.skipped),
        "tests": str(counts.tests),
        "time": f"{counts.seconds:.3f}",
        "timestamp": datetime.fromtimestamp(started, UTC).isoformat(timespec="microseconds"),
        "hostname": machine,
    }
    head = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    named = f'<property name="benchmark_id" value={quoteattr(benchmark_id)} />'
    return f"<testsuite {head}><properties>{named}</properties>"


def _write_cases(target: IO[bytes], report: ScenarioReport, counts: _Counts) -> None:
    seconds = report.seconds
    for name, gate, outcome in _cases(report):
        told = "".join(
            f"<property name={quoteattr(word)} value={quoteattr(value)} />" for word, value in properties(report, gate)
        )
        head = f'<testcase classname={quoteattr(_classname(report))} name={quoteattr(name)} time="{seconds:.3f}">'
        target.write(f"{head}<properties>{told}</properties>{outcome}</testcase>".encode())
        counts.tests += 1
        counts.failures += outcome.startswith("<failure")
        counts.errors += outcome.startswith("<error")
        counts.skipped += outcome.startswith("<skipped")
        counts.seconds += seconds
        seconds = 0.0


def _cases(report: ScenarioReport) -> Iterator[tuple[str, Gate | None, str]]:
    for gate in gates_of(report):
        yield gate.gate.value, gate.gate, _gate_outcome(report, gate)
    for check in report.checks:
        yield check.name, None, _check_outcome(check)


def _classname(report: ScenarioReport) -> str:
    """Return what pytest makes of the item's id: its path with dots, then the run."""
    path, _, run = report.nodeid.partition("::")
    return ".".join((path.replace("/", ".").removesuffix(".py"), *run.split("::")))


def _gate_outcome(report: ScenarioReport, gate: GateResult) -> str:
    if gate.status is Status.PASSED:
        return ""
    if is_lost(report):
        return _setup_error(report.failure_message or gate.reason)
    message = gate_message(report, gate)
    if gate.status is Status.ERROR:
        return _setup_error(message)
    return f"<failure message={_attribute(f'Failed: {message}')}>{escape(printable(message))}</failure>"


def _check_outcome(check: CheckResult) -> str:
    if check.status is Status.PASSED:
        return ""
    if not check.required:
        return f"<skipped message={_attribute(check.reason)}/>"
    tag = "failure" if check.status is Status.FAILED else "error"
    told = "\n".join((check.reason, *check.lines))
    return f"<{tag} message={_attribute(check.reason)}>{escape(printable(told))}</{tag}>"


def _setup_error(message: str) -> str:
    told = _attribute(f'failed on setup with "Failed: {message}"')
    return f"<error message={told}>{escape(printable(message))}</error>"


def _attribute(text: str) -> str:
    # A line feed must be written as a reference, or a parser reads a blank in its place.
    return quoteattr(printable(text), {"\n": "&#10;"})
