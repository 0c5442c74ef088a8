"""The third check, from evidence: what is unexpected, what is not known, and what is only shown."""

from __future__ import annotations

from typing import Any

import pytest
from support.records import report, started

from pytest_2501bench.evidence.model import Evidence, HostChanges
from pytest_2501bench.host_state.model import Change
from pytest_2501bench.report.build import build_report
from pytest_2501bench.report.collateral import collateral_check
from pytest_2501bench.report.model import CheckResult
from pytest_2501bench.scoring.model import Status, Verdicts

ASKED: dict[str, Any] = {"collateral": {}}


def _change(name: str, kind: str = "file") -> Change:
    return Change(host="web-01", kind=kind, name=name, before="mode 0644", after="mode 0777")


def _check(changes: HostChanges | None, bench: dict[str, Any]) -> CheckResult | None:
    return collateral_check(Evidence(run=started(), host_changes=changes), {"bench": bench})


def _told(changes: HostChanges, bench: dict[str, Any]) -> CheckResult:
    check = _check(changes, bench)
    assert check is not None
    return check


def test_where_nobody_looked_there_is_no_check() -> None:
    assert _check(None, ASKED) is None


def test_what_is_not_allowed_is_named_line_by_line() -> None:
    changes = HostChanges(changes=(_change("/etc/a"), _change("/etc/b")))

    check = _told(changes, ASKED | {"allowed_changes": ["file:/etc/a"]})

    assert check.status is Status.FAILED
    assert check.reason == "1 unexpected change, not allowed in /bench/allowed_changes"
    assert check.lines == ("web-01 file:/etc/b changed: mode 0644 → 0777",)


def test_what_was_put_back_and_what_is_allowed_is_counted_and_green() -> None:
    changes = HostChanges(changes=(_change("/etc/a"),), undone=3)

    check = _told(changes, ASKED | {"allowed_changes": ["file:/etc/*"]})

    assert (check.status, check.lines) == (Status.PASSED, ())
    assert check.reason == "nothing changed but what may: 3 put back, 1 allowed"


@pytest.mark.parametrize(
    "changes",
    [HostChanges(failed="host web-01: no answer"), HostChanges(changes=(_change("/etc/a"),), omitted=7)],
    ids=["no look", "too many"],
)
def test_what_is_not_known_is_no_pass(changes: HostChanges) -> None:
    check = _told(changes, ASKED | {"allowed_changes": ["file:*"]})

    assert check.status is Status.ERROR
    assert check.required


@pytest.mark.parametrize("bench", [{}, {"collateral": {"required": False}}], ids=["not asked for", "not required"])
def test_what_is_not_required_is_shown_and_green(bench: dict[str, Any]) -> None:
    check = _told(HostChanges(changes=(_change("/etc/a"),)), bench)

    assert (check.status, check.required) == (Status.PASSED, False)
    assert len(check.lines) == 1
    assert not _told(HostChanges(failed="gone"), bench).required


def test_of_many_changes_fifty_are_named_and_all_are_counted() -> None:
    check = _told(HostChanges(changes=tuple(_change(f"/etc/{n}") for n in range(60)), omitted=5), ASKED)

    assert check.reason.startswith("65 unexpected changes")
    assert len(check.lines) == 51
    assert check.lines[-1] == "… and 15 more"


def test_a_report_has_the_check_once_and_by_the_scenario_that_is_named() -> None:
    verdicts = Verdicts(task_validation=report().task_validation, compliance=report().compliance)
    evidence = Evidence(run=started(scenario={"bench": ASKED}), host_changes=HostChanges(changes=(_change("/etc/a"),)))
    of_then = build_report(evidence, verdicts)
    today = {"bench": ASKED | {"allowed_changes": ["file:/etc/a"]}}

    again = build_report(evidence, verdicts, of_then.checks, scenario=today)

    assert [check.status for check in of_then.checks] == [Status.FAILED]
    assert [check.status for check in again.checks] == [Status.PASSED]
    assert of_then.status is again.status, "it changes no gate"
