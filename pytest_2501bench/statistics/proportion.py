"""A rate with how sure it is: Wilson intervals, clustered standard errors, what was lost to infrastructure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.95
LEAST_COVERAGE: Final = 0.9
"""Share of runs that must have a verdict; below it, who knows what the lost ones would have shown."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true rate is, *confidence* of the time; both ends within 0..1."""

    low: float
    high: float
    confidence: float = CONFIDENCE


@dataclass(frozen=True, slots=True)
class Counts:
    """Runs of one scenario (or of one group that is taken for one).

    Attributes:
        passed: runs that passed.
        scored: runs with a verdict.
        lost: runs without one.
    """

    passed: int
    scored: int
    lost: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.passed <= self.scored or self.lost < 0:
            raise ValueError(f"{self.passed} of {self.scored} passed, {self.lost} lost: not possible")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A rate over one or more scenarios.

    Attributes:
        passed: runs that passed.
        scored: runs with a verdict: the denominator.
        lost: runs without one.
        clusters: scenarios with at least one scored run.
        rate: passed / scored; None when nothing was scored.
        interval: None when nothing was scored.
        standard_error: of *rate*, clustered by scenario; None below two scenarios, or when nothing was scored.
        strict_rate: passed / all runs, as if every lost one had failed; None without runs.
        coverage: scored / all runs; None without runs.
    """

    passed: int
    scored: int
    lost: int
    clusters: int
    rate: float | None
    interval: Interval | None
    standard_error: float | None
    strict_rate: float | None
    coverage: float | None

    @property
    def conclusive(self) -> bool:
        """Whether enough runs have a verdict for a decision, see :data:`LEAST_COVERAGE`."""
        return self.coverage is not None and self.coverage >= LEAST_COVERAGE and self.scored > 0


def quantile(confidence: float) -> float:
    """Return the two-sided standard normal quantile, 1.96 for 0.95."""
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence}: must be between 0 and 1")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def student_quantile(confidence: float, degrees: int) -> float:
    """Return the two-sided quantile of Student's t, 2.262 for 0.95 and 9 degrees of freedom.

    Exact for 1 and 2 degrees of freedom, within 2 % for 3, else within 0.6 %: the first four terms of the
    Cornish-Fisher expansion, Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.5. Of our own,
    because a rate is shown at the end of every session, where half a second to import a library would be too much.
    """
    if degrees < 1:
        raise ValueError(f"{degrees} degrees of freedom: at least 1")
    if degrees == 1:
        return math.tan(math.pi * confidence / 2)
    if degrees == 2:
        return math.sqrt(2 * confidence**2 / (1 - confidence**2))
    z = quantile(confidence)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(float(term / degrees**power) for power, term in enumerate(terms, 1))


def wilson(passed: float, scored: float, confidence: float = CONFIDENCE) -> Interval | None:
    """Return the Wilson score interval of *passed* / *scored*; None when nothing was scored.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212;
    recommended for small counts by Brown, Cai and DasGupta, Statistical Science 16 (2001), 101-133. Counts need not be
    whole: an effective sample size (:func:`estimate`) is not.
    """
    if scored <= 0:
        return None
    z2 = quantile(confidence) ** 2
    rate = passed / scored
    centre = (rate + z2 / (2 * scored)) / (1 + z2 / scored)
    half = math.sqrt(z2) / (1 + z2 / scored) * math.sqrt(rate * (1 - rate) / scored + z2 / (4 * scored**2))
    # At 0 and at 1 the formula is exact, the arithmetic is not.
    low = 0.0 if passed == 0 else max(0.0, centre - half)
    high = 1.0 if passed == scored else min(1.0, centre + half)
    return Interval(low, high, confidence)


def clustered_standard_error(scenarios: Sequence[Counts]) -> float | None:
    """Return the standard error of the pooled rate when runs of one scenario resemble each other.

    The cluster-robust variance of a mean, sum over scenarios of (passed - rate * scored) squared, over the squared
    number of runs, times G/(G-1) for G scenarios: Liang and Zeger, Biometrika 73 (1986), 13-22, with the correction of
    Cameron and Miller, Journal of Human Resources 50 (2015), 317-372, section VI; its use for evaluations: Miller,
    "Adding error bars to evals", arXiv 2411.00640 (2024), section 2.2. None for fewer than two scenarios.
    """
    used = [one for one in scenarios if one.scored]
    if len(used) < 2:
        return None
    scored = sum(one.scored for one in used)
    rate = sum(one.passed for one in used) / scored
    squares = sum((one.passed - rate * one.scored) ** 2 for one in used)
    return math.sqrt(squares * len(used) / (len(used) - 1)) / scored


def estimate(scenarios: Iterable[Counts], confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the rate over *scenarios*.

    One scenario: Wilson's interval. Several: Wilson's interval with the effective number of runs, which is their number
    over the design effect (clustered variance over that of independent runs), and with Student's t in place of the
    normal quantile, because that variance is estimated from few scenarios: Korn and Graubard, Survey Methodology 24
    (1998), 193-201; Franco, Little, Louis and Slud, Journal of Survey Statistics and Methodology 7 (2019), 334-364.
    So the interval speaks of scenarios like these, and repeating one often does not make up for few of them.
    """
    listed = list(scenarios)
    used = [one for one in listed if one.scored]
    passed, scored = sum(one.passed for one in used), sum(one.scored for one in used)
    lost = sum(one.lost for one in listed)
    everything = scored + lost
    error = clustered_standard_error(used)
    rate = passed / scored if scored else None
    effective = float(scored)
    if rate is not None and len(used) > 1:
        effective = (
            _effective(used, rate, error) * (quantile(confidence) / student_quantile(confidence, len(used) - 1)) ** 2
        )
    return Estimate(
        passed=passed,
        scored=scored,
        lost=lost,
        clusters=len(used),
        rate=rate,
        interval=None if rate is None else wilson(rate * effective, effective, confidence),
        standard_error=error,
        strict_rate=passed / everything if everything else None,
        coverage=scored / everything if everything else None,
    )


def _effective(used: Sequence[Counts], rate: float, error: float | None) -> float:
    scored = sum(one.scored for one in used)
    # Runs of a scenario cannot tell less than one run, nor, for our purpose, more than as many independent ones.
    # Kish's number of clusters of equal size: what is left when all runs of a scenario agree.
    least = scored**2 / sum(one.scored**2 for one in used)
    if error is None or rate in (0.0, 1.0):
        # All agree everywhere. Whether that is luck or likeness cannot be seen: the careful reading.
        return least
    independent = rate * (1 - rate) / scored
    effect = max(1.0, error**2 / independent)
    return max(min(least, scored), scored / effect)
