"""Pass rates with their denominators: what was scored, and what was lost to infrastructure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pytest_2501bench.scoring.model import GateResult, Status


class Judged(Protocol):
    """A run with verdicts: ``ScenarioReport`` or ``Verdicts``."""

    @property
    def task_validation(self) -> GateResult:
        """The first gate."""
        ...

    @property
    def compliance(self) -> GateResult:
        """The second gate."""
        ...

    @property
    def status(self) -> Status:
        """Both gates together."""
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something passed.

    Attributes:
        passed: runs that passed.
        scored: runs with a verdict: the denominator.
        lost: runs without one.
    """

    passed: int
    scored: int
    lost: int

    @property
    def value(self) -> float | None:
        """Passed / scored; None when nothing was scored, which is not 0."""
        return self.passed / self.scored if self.scored else None

    def __str__(self) -> str:
        lost = f", {self.lost} lost" if self.lost else ""
        if self.value is None:
            return f"– (0 scored{lost})"
        return f"{self.value:.0%} ({self.passed}/{self.scored}{lost})"


@dataclass(frozen=True, slots=True)
class Rates:
    """The rate of each gate, and of both together (a scenario passes only when both do)."""

    task_validation: Rate
    compliance: Rate
    both: Rate


def pass_rate(statuses: Iterable[Status]) -> Rate:
    """Count *statuses*."""
    listed = list(statuses)
    passed, lost = listed.count(Status.PASSED), listed.count(Status.ERROR)
    return Rate(passed=passed, scored=len(listed) - lost, lost=lost)


def pass_rates(runs: Iterable[Judged]) -> Rates:
    """Count the verdicts of *runs*."""
    listed = list(runs)
    return Rates(
        task_validation=pass_rate(run.task_validation.status for run in listed),
        compliance=pass_rate(run.compliance.status for run in listed),
        both=pass_rate(run.status for run in listed),
    )
