"""Numbers and verdicts as people read them; one wording for the terminal, html and markdown."""

from __future__ import annotations

from typing import Final

from pytest_2501bench.errors import Gate
from pytest_2501bench.matrix import run_name_of
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.scoring.model import GateResult, Status

GATE_NAME: Final = {Gate.TASK_VALIDATION: "task validation", Gate.COMPLIANCE: "compliance"}


def seconds(value: float) -> str:
    """Return a duration given in seconds: ``0.4 s``, ``12.3 s``, ``3m 05s``, ``2h 07m``."""
    if value < 59.95:
        return f"{max(value, 0):.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def tokens(value: int | None) -> str:
    """Return a token count: ``12,345``; ``-`` when the engine did not say."""
    return "-" if value is None else f"{value:,}"


def cost(value: float | None) -> str:
    """Return US dollars: ``$1.20``, small sums as ``$0.0031``; ``-`` when the engine did not say."""
    if value is None:
        return "-"
    return f"${value:,.2f}" if value == 0 or value >= 0.1 else f"${value:.4f}"


def percent(share: float) -> str:
    """Return a share of 1 in percent: ``66.7 %``; never rounded up to 100 or down to 0."""
    value = round(share * 100, 1)
    if value >= 100 > share * 100:
        value = 99.9
    elif value <= 0 < share:
        value = 0.1
    return f"{value:g} %"


def rules_passed(gate: GateResult) -> str:
    """Return ``3/4``: rules passed of rules evaluated; empty without any, or when the gate has no verdict.

    A score of the rules that happened to have evidence would look like a verdict.
    """
    if gate.status is Status.ERROR:
        return ""
    evaluated = [rule for rule in gate.rules if rule.status is not Status.ERROR]
    passed = sum(1 for rule in evaluated if rule.status is Status.PASSED)
    return f"{passed}/{len(evaluated)}" if evaluated else ""


def run_name(report: ScenarioReport) -> str:
    """Return ``nginx/001-broken-config run1``."""
    return f"{report.key} {run_name_of(report.nodeid)}"
