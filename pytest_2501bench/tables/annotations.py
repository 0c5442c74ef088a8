"""Red gates and lost runs as workflow commands, which GitHub shows as annotations of the scenario's file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from pytest_2501bench.report.figures import run_name
from pytest_2501bench.report.findings import find, loss
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.report.plain import one_line


def write_annotations(target: BinaryIO, reports: Iterable[ScenarioReport]) -> int:
    """Write an ``::error`` for each red gate, and a ``::warning`` for each gate or run without a verdict.

    Returns:
        How many runs there were, also those of which nothing is to be said.
    """
    count = 0
    for report in reports:
        count += 1
        found = find([report])
        for finding in (*found.red, *found.undecided):
            level = "error" if finding in found.red else "warning"
            rules = "".join(f"\n{rule.label}: {rule.reason}" for rule in finding.rules)
            _write(target, level, report, f"{finding.gate_names} {finding.status.value}", finding.reason + rules)
        for lost in found.lost:
            _write(target, "warning", lost, f"not scored, lost in {lost.failure_phase}", loss(lost)[0])
    return count


def _write(target: BinaryIO, level: str, report: ScenarioReport, title: str, message: str) -> None:
    file = _property(report.nodeid.partition("::")[0])
    heading = _property(f"{run_name(report)}: {title}")
    told = _data("\n".join(one_line(line) for line in message.splitlines()))
    target.write(f"::{level} file={file},line=1,title={heading}::{told}\n".encode())


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
