"""Our part of a pytest-html report: columns, and a section per check. Only where there are scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_2501bench.state import STATE

if TYPE_CHECKING:
    import pytest

    from pytest_2501bench.collect import Check
    from pytest_2501bench.run import Run

DEPTH = 4  # folders below an argument in which a scenario may lie: scenarios/<category>/<name> and two more


def wanted(config: pytest.Config) -> bool:
    """Return whether this session writes such a report."""
    return bool(config.pluginmanager.hasplugin("html") and config.getoption("htmlpath", None))


def register_columns(config: pytest.Config) -> None:
    """Add our columns to the report, if there is one and its session is about scenarios.

    pytest-html asks for columns before anything is collected, hence the look at the disk.
    """
    if not wanted(config) or config.stash[STATE].worker or not about_scenarios(config):
        return
    from pytest_2501bench.report.html import HtmlColumns
    from pytest_2501bench.report.model import ScenarioReport

    def reports() -> list[ScenarioReport]:
        session = config.stash[STATE].session
        return list(session.reports.values()) if session is not None else []

    config.pluginmanager.register(HtmlColumns(reports), "2501bench-html")


def add_section(item: Check, run: Run, report: pytest.TestReport) -> None:
    """Add what the run looked like to the report of a gate, where its verdict is raised: once per item."""
    decided = report.when == "call" or (report.when == "setup" and report.failed)
    if not item.is_gate or run.report is None or not decided or not _any_html(item.config):
        return
    from pytest_2501bench.errors import BenchError, Gate
    from pytest_2501bench.evidence.log import read_evidence
    from pytest_2501bench.report.html import section_extras

    try:
        evidence = read_evidence(run.log.path)
    except BenchError:
        evidence = None
    alone = all(other.parent is not item.parent or other is item for other in item.session.items)
    extras = section_extras(run.report, evidence, Gate(item.name), whole=True if alone else None)
    report.extras = [*getattr(report, "extras", []), *extras]  # type: ignore[attr-defined]


def _any_html(config: pytest.Config) -> bool:
    # An xdist worker is not told of --html; the controller drops what it does not need.
    return wanted(config) or config.stash[STATE].worker


def about_scenarios(config: pytest.Config) -> bool:
    """Return whether the session is likely about scenarios, before anything is collected."""
    if config.stash[STATE].settings.meant:
        return True
    for argument in config.args:
        path = config.invocation_params.dir / argument.split("::")[0]
        if path.name == "scenario.json" or any(_scenario_below(path, depth) for depth in range(DEPTH + 1)):
            return True
    return False


def _scenario_below(path: Path, depth: int) -> bool:
    return next(path.glob("*/" * depth + "scenario.json"), None) is not None
