"""``--fail-on-regression``: are the runs of this session worse than earlier ones of the same version key? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_2501bench.analysis.instrument import differences
from pytest_2501bench.analysis.trend import SIGNIFICANCE, Course, course, fisher_less
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.scoring.rates import pass_rate
from pytest_2501bench.statistics.proportion import LEAST_COVERAGE, Counts

if TYPE_CHECKING:
    from pytest_2501bench.report.model import ScenarioReport


@dataclass(frozen=True, slots=True)
class Regression:
    """What became of the question, for one scenario (and variant).

    Attributes:
        course: against the earlier runs; ``new`` when there are none to compare with.
        before: the earlier runs, both gates.
        now: those of this session.
        able: whether so many runs could show a regression at all: if all had passed before, and none now.
        changed: the parts of the version key that differ from the latest earlier run, if only those differ.
    """

    course: Course
    before: Counts
    now: Counts
    able: bool
    changed: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """Return the verdict.

        ``error``: too few runs have one (below 90 %). Without earlier runs, or with too few to ever show anything, the
        runs of this session decide by themselves: a check that cannot fail would be none.
        """
        if not self.now.scored or self.now.scored < LEAST_COVERAGE * (self.now.scored + self.now.lost):
            return Status.ERROR
        if self.course is Course.REGRESSED:
            return Status.FAILED
        if not self.able:
            return Status.PASSED if self.now.passed == self.now.scored else Status.FAILED
        return Status.PASSED

    def __str__(self) -> str:
        """Return one line: ``regressed: 1 of 5 passed, earlier 20 of 20 (Fisher, one-sided p = 0.0004)``."""
        now = f"{self.now.passed} of {self.now.scored} passed"
        if self.now.lost:
            now += f", {self.now.lost} lost to infrastructure"
        if self.status is Status.ERROR:
            return f"inconclusive: {now}; at least {LEAST_COVERAGE:.0%} of the runs must have a verdict"
        if not self.before.scored:
            why = f"; {', '.join(self.changed)} changed since the latest" if self.changed else ""
            return f"no earlier runs to compare with{why}: these runs decide by themselves: {now}"
        earlier = f"earlier {self.before.passed} of {self.before.scored}"
        chance = f"p = {fisher_less(self.now, self.before):.2g}"
        if not self.able:
            return f"too few runs to show a regression ({earlier}): these runs decide by themselves: {now}"
        return f"{self.course}: {now}, {earlier} ({chance})"


def regression(runs: Sequence[ScenarioReport], earlier: Iterable[ScenarioReport]) -> Regression:
    """Compare *runs*, all of one version key, with the *earlier* ones that have the same.

    Regressed: Fisher's exact test, one-sided, 5 %, on runs that passed both gates; see
    :func:`pytest_2501bench.analysis.trend.course`. What is flaky is not regressed.
    """
    others = list(earlier)
    same = [report for report in others if report.version_key == runs[0].version_key]
    before, now = _counts(same), _counts(runs)
    none, all_ = Counts(0, now.scored), Counts(before.scored, before.scored)
    able = bool(before.scored and now.scored) and fisher_less(none, all_) <= SIGNIFICANCE
    changed: tuple[str, ...] = ()
    if not same and others:
        latest = max(others, key=lambda report: report.started_at)
        changed = differences([latest.version_key, runs[0].version_key])
    return Regression(course(before, now), before, now, able, changed)


def _counts(reports: Iterable[ScenarioReport]) -> Counts:
    rate = pass_rate(report.status for report in reports)
    return Counts(rate.passed, rate.scored, rate.lost)
