"""Rates and their intervals, held against published figures and against statsmodels."""

from __future__ import annotations

import random

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from pytest_2501bench.statistics.proportion import Counts, clustered_standard_error, estimate, student_quantile, wilson

COUNTS = st.integers(1, 40).flatmap(lambda n: st.builds(Counts, st.integers(0, n), st.just(n), st.integers(0, 5)))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_agrees_with_statsmodels(counts: tuple[int, int], confidence: float) -> None:
    passed, scored = counts
    ours = wilson(passed, scored, confidence)
    assert ours is not None
    low, high = proportion_confint(passed, scored, alpha=1 - confidence, method="wilson")
    assert [ours.low, ours.high] == pytest.approx([low, high], abs=1e-9)


def test_wilson_gives_the_published_figures() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (passed, scored), (low, high) in published.items():
        ours = wilson(passed, scored)
        assert ours is not None
        assert (round(ours.low, 4), round(ours.high, 4)) == (low, high)


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95, 0.99])
def test_students_quantile_agrees_with_scipy(confidence: float) -> None:
    for degrees in (*range(1, 40), 200):
        theirs = float(stats.t.ppf((1 + confidence) / 2, degrees))
        assert student_quantile(confidence, degrees) == pytest.approx(theirs, rel=0.02 if degrees == 3 else 0.006)


def test_nothing_scored_has_no_rate_and_no_interval() -> None:
    empty = estimate([Counts(0, 0, 3)])
    assert (empty.rate, empty.interval, empty.strict_rate, empty.coverage) == (None, None, 0, 0)
    assert not empty.conclusive
    assert estimate([]).coverage is None


def test_lost_runs_leave_the_rate_and_enter_the_strict_one() -> None:
    told = estimate([Counts(8, 9, 1)])
    assert told.rate == pytest.approx(8 / 9)
    assert told.strict_rate == pytest.approx(0.8)
    assert told.coverage == pytest.approx(0.9)
    assert told.conclusive
    assert not estimate([Counts(8, 8, 1)]).conclusive


@given(st.lists(COUNTS, min_size=2, max_size=12))
def test_the_clustered_error_agrees_with_statsmodels(scenarios: list[Counts]) -> None:
    outcomes = np.concatenate([[1.0] * one.passed + [0.0] * (one.scored - one.passed) for one in scenarios])
    groups = np.concatenate([[index] * one.scored for index, one in enumerate(scenarios)])
    fitted = sm.OLS(outcomes, np.ones(len(outcomes))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}
    )
    ours = clustered_standard_error(scenarios)
    # statsmodels' correction is G/(G-1) * (n-1)/(n-k), and k is 1 for a mean.
    assert ours == pytest.approx(float(fitted.bse[0]), abs=1e-9)


@given(st.lists(COUNTS, min_size=1, max_size=8))
def test_an_interval_holds_its_rate_and_stays_within_bounds(scenarios: list[Counts]) -> None:
    told = estimate(scenarios)
    assert told.interval is not None
    assert told.rate is not None
    assert 0 <= told.interval.low <= told.rate <= told.interval.high <= 1


def test_repeating_a_scenario_does_not_make_up_for_few_scenarios() -> None:
    few = estimate([Counts(50, 50), Counts(50, 50)]).interval
    many = estimate([Counts(1, 1)] * 100).interval
    assert few is not None
    assert many is not None
    assert few.low < 0.4 < 0.95 < many.low


@pytest.mark.parametrize(
    ("scenarios", "runs", "likeness"), [(30, 5, 0.0), (30, 5, 0.3), (12, 20, 0.3), (20, 10, 0.8), (6, 20, 0.1)]
)
def test_intervals_hold_the_truth_as_often_as_they_claim(scenarios: int, runs: int, likeness: float) -> None:
    # Scenarios are drawn with rates around 0.8 (beta distribution; likeness is the correlation of a scenario's runs).
    draw = random.Random(f"{scenarios} {runs} {likeness}")
    truth, held, repetitions = 0.8, 0, 2000
    for _ in range(repetitions):
        counts = []
        for _ in range(scenarios):
            rate = truth
            if likeness:
                spread = (1 - likeness) / likeness
                rate = draw.betavariate(truth * spread, (1 - truth) * spread)
            counts.append(Counts(sum(draw.random() < rate for _ in range(runs)), runs))
        interval = estimate(counts).interval
        assert interval is not None
        held += interval.low <= truth <= interval.high
    assert held / repetitions >= 0.92, f"{held / repetitions:.3f}"
