"""What runs showed at one gate, scenario by scenario, and what they took."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_2501bench.scoring.model import Status

if TYPE_CHECKING:
    from pytest_2501bench.report.model import ScenarioReport


class What(StrEnum):
    """Which verdict is looked at."""

    BOTH = "both"
    TASK_VALIDATION = "task-validation"
    COMPLIANCE = "compliance"


def status_of(report: ScenarioReport, what: What) -> Status:
    """Return the verdict of one run."""
    if what is What.TASK_VALIDATION:
        return report.task_validation.status
    return report.compliance.status if what is What.COMPLIANCE else report.status


def outcomes(reports: Iterable[ScenarioReport], what: What) -> dict[str, list[bool]]:
    """Return scenario key → whether each scored run passed, in their order; lost runs are left out."""
    found: dict[str, list[bool]] = {}
    for report in reports:
        status = status_of(report, what)
        scored = found.setdefault(report.key, [])
        if status is not Status.ERROR:
            scored.append(status is Status.PASSED)
    return found


@dataclass(frozen=True, slots=True)
class Spent:
    """What the runs of a side took.

    Attributes:
        runs: all of them.
        lost: those without a verdict.
        seconds: median wall time of the scored ones; None without any.
        tokens: mean per run whose engine said; None if none did.
        cost_usd: likewise, US dollars.
    """

    runs: int
    lost: int
    seconds: float | None
    tokens: float | None
    cost_usd: float | None


def spent(reports: Iterable[ScenarioReport], what: What) -> Spent:
    """Add up *reports*."""
    listed = list(reports)
    scored = [report for report in listed if status_of(report, what) is not Status.ERROR]
    told_tokens = [report.tokens for report in scored if report.tokens is not None]
    told_cost = [report.cost_usd for report in scored if report.cost_usd is not None]
    return Spent(
        runs=len(listed),
        lost=len(listed) - len(scored),
        seconds=statistics.median(report.seconds for report in scored) if scored else None,
        tokens=statistics.fmean(told_tokens) if told_tokens else None,
        cost_usd=statistics.fmean(told_cost) if told_cost else None,
    )
