"""The check ``collateral``: what the agent changed beyond the fix. Pure, from evidence: it can be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pytest_2501bench.evidence.model import Evidence, HostChanges
from pytest_2501bench.host_state.compare import unexpected
from pytest_2501bench.report.model import CheckResult
from pytest_2501bench.scoring.model import Status

COLLATERAL: Final = "collateral"
POINTER: Final = "/bench/allowed_changes"
SHOWN: Final = 50
"""Changes that are named one by one."""


def collateral_check(evidence: Evidence, scenario: Mapping[str, Any]) -> CheckResult | None:
    """Return the check's result, or None if nobody was to look at the hosts.

    Args:
        evidence: all of the run.
        scenario: its scenario.json as JSON, of then or of today.
    """
    looked = evidence.host_changes
    if looked is None:
        return None
    bench = scenario.get("bench") or {}
    asked = bench.get("collateral")  # an empty object asks too
    required = asked is not None and bool(asked.get("required", True))
    if looked.failed:
        return _result(Status.ERROR, f"nothing is known of what changed: {looked.failed}", required)
    found = unexpected(looked.changes, bench.get("allowed_changes") or ())
    if not found and looked.omitted:
        return _result(Status.ERROR, f"more changed than is kept: {looked.omitted} changes are unknown", required)
    if not found:
        return _result(Status.PASSED, _nothing(looked), required)
    count = len(found) + looked.omitted
    reason = f"{count} unexpected change{'s' if count > 1 else ''}, not allowed in {POINTER}"
    return _result(
        Status.FAILED if required else Status.PASSED,
        reason if required else f"{reason}; only shown",
        required,
        [*map(str, found[:SHOWN]), *([f"… and {count - SHOWN} more"] if count > SHOWN else [])],
    )


def _result(status: Status, reason: str, required: bool, lines: Sequence[str] = ()) -> CheckResult:
    return CheckResult(name=COLLATERAL, status=status, reason=reason, required=required, lines=tuple(lines))


def _nothing(looked: HostChanges) -> str:
    allowed = len(looked.changes)
    told = [f"{looked.undone} put back"] if looked.undone else []
    told += [f"{allowed} allowed"] if allowed else []
    return "nothing changed" + (f" but what may: {', '.join(told)}" if told else "")
