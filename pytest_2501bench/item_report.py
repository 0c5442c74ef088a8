"""What a check's report carries: junit properties, html sections, and the run's folder for the controller."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from pytest_2501bench.html_wiring import add_section
from pytest_2501bench.verdict import counted
from pytest_2501bench.wiring import RUN

if TYPE_CHECKING:
    from pytest_2501bench.collect import Check


def before(item: Check, call: pytest.CallInfo[None]) -> None:
    """Conclude a run that was lost, so that its loss is a stored report; fill the properties."""
    from pytest_2501bench.errors import BenchError, Cause, Gate
    from pytest_2501bench.report.junit import properties
    from pytest_2501bench.report.model import CheckResult
    from pytest_2501bench.scoring.model import Status

    run = item.run.stash.get(RUN, None)
    if run is None:
        return
    if call.when == "setup" and call.excinfo is not None and run.report is None and not run.settled:
        if call.excinfo.errisinstance(pytest.skip.Exception):
            run.discard()
            return
        run.fail(f"a fixture failed: {call.excinfo.exconly(tryshort=True)}", Cause.HARNESS_BUG)
        with contextlib.suppress(BenchError):  # told when the run is settled
            run.conclude()
    skipped = call.excinfo is not None and call.excinfo.errisinstance(pytest.skip.Exception)
    if call.when == "call" and not item.is_scored and not skipped:
        reason = call.excinfo.exconly(tryshort=True) if call.excinfo is not None else ""
        status = Status.PASSED if call.excinfo is None else Status.FAILED
        run.checks.append(CheckResult(name=item.name, status=status, reason=reason))
    if run.report is not None and not item.user_properties:
        gate = Gate(item.name) if item.is_gate else None
        item.user_properties.extend(properties(run.report, gate))


def after(item: Check, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Name the run's folder, and whether its report is final; the controller reads it there."""
    run = item.run.stash.get(RUN, None)
    known = run is not None and run.report is not None
    report.bench2501 = {  # type: ignore[attr-defined]
        "run": f"{item.run.loaded.scenario.key} {item.run.name}",
        "folder": run.folder if run is not None and known else None,
        "settled": run is not None and run.settled,
    }
    if run is not None:
        add_section(item, run, report)
    if (
        report.failed
        and report.when != "teardown"
        and item.is_gate
        and counted(item.config, item.run.loaded, item.name)
    ):
        # One run proves little: the scenario's verdict fails the session, or does not.
        report.outcome = "skipped"
        report.wasxfail = "counts in the scenario's verdict"
