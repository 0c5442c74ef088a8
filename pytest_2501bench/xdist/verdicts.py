"""Reports the verdicts on all runs of a scenario, after the last of them: no worker knows all of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_2501bench.verdict import outcome, properties
from pytest_2501bench.wiring import session_of

if TYPE_CHECKING:
    from pytest_2501bench.scenario.model import LoadedScenario

_PHASES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "passed": (("setup", "passed"), ("call", "passed")),
    "failed": (("setup", "passed"), ("call", "failed")),
    "error": (("setup", "failed"),),
    "skipped": (("setup", "skipped"),),
}


def report_verdicts(config: pytest.Config, nodeids: Iterable[str], loaded: Mapping[str, LoadedScenario]) -> None:
    """Tell pytest how the items *nodeids* ended, as if they had been run here.

    Args:
        config: of the controller.
        nodeids: of the items.
        loaded: the scenarios by the node ids of their files.
    """
    reports = list(session_of(config).reports.values())
    for nodeid in nodeids:
        file, _, name = nodeid.partition("::")
        scenario = loaded[file]
        kind, text, judged = outcome(config, nodeid, scenario, reports)
        location = (file, 0, f"{scenario.scenario.key} {name}")
        config.hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
        for when, result in (*_PHASES[kind], ("teardown", "passed")):
            longrepr: Any = text if result == "failed" else None
            if result == "skipped":
                longrepr = (file, 0, f"Skipped: {text}")
            now = time.time()
            report = pytest.TestReport(
                nodeid,
                location,
                {},
                result,  # type: ignore[arg-type]
                longrepr,
                when,  # type: ignore[arg-type]
                user_properties=properties(nodeid, judged),
                start=now,
                stop=now,
            )
            config.hook.pytest_runtest_logreport(report=report)
        config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)
