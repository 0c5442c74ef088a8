"""Is B better than A? Paired by scenario: exact tests, a bootstrap interval, effect sizes, and what would tell more.

Needs the extra ``stats`` (SciPy): comparisons are made by a verb of their own, never at the end of a run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Final

import numpy as np
from scipy import stats

from pytest_2501bench.statistics.proportion import CONFIDENCE, Interval

SIGNIFICANCE: Final = 0.05
POWER: Final = 0.8
RESAMPLES: Final = 9999
MANY: Final = 8
"""Scenarios from which on they alone are drawn; below, their number is too small to tell how they vary."""

Outcomes = Mapping[str, Sequence[bool]]
"""Scenario key → whether each scored run passed, in the order of iterations."""


class Answer(StrEnum):
    """What may be said of B against A."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "no difference shown"


@dataclass(frozen=True, slots=True)
class ScenarioDifference:
    """One scenario: Fisher's exact test of its runs with A and with B, corrected for how many scenarios were tested.

    Attributes:
        rate_a: passed / scored with A.
        rate_b: with B.
        p: Fisher's exact test, two-sided.
        p_holm: the same after Holm's correction over all scenarios (Scandinavian J. of Statistics 6 (1979), 65-70).
    """

    key: str
    runs_a: int
    runs_b: int
    rate_a: float
    rate_b: float
    p: float
    p_holm: float

    @property
    def answer(self) -> Answer:
        """What this scenario alone shows."""
        return _answer(self.rate_b - self.rate_a, self.p_holm)


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A over the scenarios that both have runs of.

    Attributes:
        scenarios: in the order of their keys.
        only_a: keys without a scored run of B; not compared.
        only_b: keys without a scored run of A.
        rate_a: mean over scenarios, each with the same weight: the same tasks for both.
        rate_b: likewise.
        interval: of rate_b - rate_a: paired bootstrap over scenarios (a scenario is drawn with its runs of A and of
            B), see :func:`bootstrap`.
        pairs: pairs of runs, the n-th of A with the n-th of B.
        only_a_passed: pairs in which A passed and B did not.
        only_b_passed: the other way round.
        p: exact McNemar test of the pairs: binomial, two-sided (McNemar, Psychometrika 12 (1947), 153-157).
        cohen_h: effect size, 2 asin(sqrt rate_b) - 2 asin(sqrt rate_a) (Cohen, Statistical Power Analysis, 1988, 6.2).
        odds_ratio: only_b_passed / only_a_passed; None if both are 0.
    """

    scenarios: tuple[ScenarioDifference, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    rate_a: float
    rate_b: float
    interval: Interval
    pairs: int
    only_a_passed: int
    only_b_passed: int
    p: float
    cohen_h: float
    odds_ratio: float | None

    @property
    def difference(self) -> float:
        """rate_b - rate_a."""
        return self.rate_b - self.rate_a

    @property
    def runs_needed(self) -> int | None:
        """Runs of each, in all, that would show a difference of this size; None when the rates are equal."""
        return runs_needed(self.cohen_h)

    @property
    def answer(self) -> Answer:
        """Better or worse only if the paired test and the interval both say so."""
        if self.interval.low <= 0 <= self.interval.high:
            return Answer.NOT_SHOWN
        return _answer(self.difference, self.p)


def compare(
    a: Outcomes, b: Outcomes, *, confidence: float = CONFIDENCE, seed: int = 2501, resamples: int = RESAMPLES
) -> Comparison:
    """Compare B with A on the scenarios that both have.

    Args:
        a: outcomes of A.
        b: outcomes of B.
        confidence: of the interval.
        seed: of the bootstrap, so that the same runs give the same figures.
        resamples: of the bootstrap.

    Raises:
        ValueError: no scenario has scored runs of both.
    """
    keys = sorted(key for key in a if a[key] and b.get(key))
    if not keys:
        raise ValueError("no scenario has scored runs of both")
    pairs = [pair for key in keys for pair in zip(a[key], b[key], strict=False)]
    only_a = sum(one and not other for one, other in pairs)
    only_b = sum(other and not one for one, other in pairs)
    rate_a = float(np.mean([np.mean(a[key]) for key in keys]))
    rate_b = float(np.mean([np.mean(b[key]) for key in keys]))
    effect = 2 * math.asin(math.sqrt(rate_b)) - 2 * math.asin(math.sqrt(rate_a))
    return Comparison(
        scenarios=_scenarios(keys, a, b),
        only_a=tuple(sorted(key for key in a if a[key] and not b.get(key))),
        only_b=tuple(sorted(key for key in b if b[key] and not a.get(key))),
        rate_a=rate_a,
        rate_b=rate_b,
        interval=bootstrap([a[key] for key in keys], [b[key] for key in keys], confidence, seed, resamples),
        pairs=len(pairs),
        only_a_passed=only_a,
        only_b_passed=only_b,
        p=exact_mcnemar(only_a, only_b),
        cohen_h=effect,
        odds_ratio=only_b / only_a if only_a else (math.inf if only_b else None),
    )


def exact_mcnemar(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of the discordant pairs; 1 when there are none."""
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_b, only_a + only_b, 0.5).pvalue)


def runs_needed(effect: float) -> int | None:
    """Return how many runs of each side show *effect* (Cohen's h) at 5 % with a power of 80 %; None for no effect.

    2 ((z(0.975) + z(0.8)) / h) squared: Cohen (1988), 6.4, without the chance to be significant the wrong way round.
    """
    if abs(effect) < 1e-9:
        return None
    normal = NormalDist()
    z = normal.inv_cdf(1 - SIGNIFICANCE / 2) + normal.inv_cdf(POWER)
    return math.ceil(2 * (z / effect) ** 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return *p_values* after Holm's step-down correction, in their order."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def _scenarios(keys: Sequence[str], a: Outcomes, b: Outcomes) -> tuple[ScenarioDifference, ...]:
    p_values = [
        float(
            stats.fisher_exact([[sum(a[key]), len(a[key]) - sum(a[key])], [sum(b[key]), len(b[key]) - sum(b[key])]])[1]
        )
        for key in keys
    ]
    corrected = holm(p_values)
    return tuple(
        ScenarioDifference(
            key=key,
            runs_a=len(a[key]),
            runs_b=len(b[key]),
            rate_a=sum(a[key]) / len(a[key]),
            rate_b=sum(b[key]) / len(b[key]),
            p=p,
            p_holm=p_holm,
        )
        for key, p, p_holm in zip(keys, p_values, corrected, strict=True)
    )


def bootstrap(
    a: Sequence[Sequence[bool]], b: Sequence[Sequence[bool]], confidence: float, seed: int, resamples: int
) -> Interval:
    """Return the percentile interval of the mean difference, B - A; *a* and *b* hold the same scenarios in order.

    From :data:`MANY` scenarios on, scenarios are drawn with their runs of both, and the percentiles are those of
    Student's t, widened for the number of scenarios: Hesterberg, The American Statistician 69 (2015), 371-386, section
    5.1. It holds the truth in 94 to 95 of 100 simulations. With fewer scenarios, or where all differ alike, runs are
    drawn within each scenario as well (Davison and Hinkley (1997), section 3.8): wider than needed if scenarios are
    alike (99 of 100), and 92 of 100 with four scenarios that are not.
    """
    draw = np.random.default_rng(seed)
    count = len(a)
    apart = np.array([np.mean(runs_b) - np.mean(runs_a) for runs_a, runs_b in zip(a, b, strict=True)])
    chosen = draw.integers(0, count, (count, resamples))
    if count >= MANY and np.ptp(apart) > 0:
        means = apart[chosen].mean(axis=0)
        student = stats.t.ppf((1 + confidence) / 2, count - 1)
        tail = float(stats.norm.cdf(-math.sqrt(count / (count - 1)) * student))
    else:
        # The rate of n runs drawn with replacement from c passed of n is binomial: no need to draw them one by one.
        rate_a = np.array([draw.binomial(len(runs), np.mean(runs), resamples) / len(runs) for runs in a])
        rate_b = np.array([draw.binomial(len(runs), np.mean(runs), resamples) / len(runs) for runs in b])
        means = np.take_along_axis(rate_b - rate_a, chosen, axis=0).mean(axis=0)
        tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high), confidence)


def _answer(difference: float, p: float) -> Answer:
    if p > SIGNIFICANCE or difference == 0:
        return Answer.NOT_SHOWN
    return Answer.BETTER if difference > 0 else Answer.WORSE


def sentence(comparison: Comparison, name_a: str = "A", name_b: str = "B") -> str:
    """Say it in plain words: better, worse or no difference shown, by how much, and how many more runs would tell."""
    told = comparison
    scenarios = f"{len(told.scenarios)} scenario{'s' if len(told.scenarios) != 1 else ''}"
    rates = f"{told.rate_b:.0%} against {told.rate_a:.0%} over {scenarios}"
    interval = told.interval
    span = f"{interval.confidence:.0%} interval of the difference {interval.low:+.0%} to {interval.high:+.0%}"
    if told.answer is not Answer.NOT_SHOWN:
        return f"{name_b} is {told.answer} than {name_a}: {rates} ({span}; exact McNemar p = {told.p:.2g})."
    text = f"No difference shown between {name_a} and {name_b}: {rates} ({span}; exact McNemar p = {told.p:.2g})."
    if told.runs_needed is None:
        return f"{text} The rates are equal; more runs would only narrow the interval."
    if told.runs_needed <= told.pairs:
        return f"{text} The scenarios disagree with each other; more scenarios would tell more than more runs."
    more = told.runs_needed - told.pairs
    runs = "1 more run" if more == 1 else f"{more} more runs"
    return f"{text} If the difference is what it looks like, about {runs} of each would show it."
