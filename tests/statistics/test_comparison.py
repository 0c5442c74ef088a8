"""Comparisons, held against other implementations and against simulated truth."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_effectsize

from pytest_2501bench.statistics.comparison import (
    Answer,
    bootstrap,
    compare,
    exact_mcnemar,
    holm,
    runs_needed,
    sentence,
)
from pytest_2501bench.statistics.proportion import CONFIDENCE


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_statsmodels(only_a: int, only_b: int) -> None:
    theirs = mcnemar([[5, only_a], [only_b, 7]], exact=True).pvalue if only_a + only_b else 1.0
    assert exact_mcnemar(only_a, only_b) == pytest.approx(float(theirs))


def test_mcnemar_gives_the_published_figure() -> None:
    # Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91 (2013), table 5: hyper-responsiveness,
    # 1 against 7 discordant pairs, exact conditional test.
    assert exact_mcnemar(1, 7) == pytest.approx(0.0703, abs=5e-5)


def test_the_effect_size_agrees_with_statsmodels() -> None:
    told = compare({"s": [True] * 6 + [False] * 4}, {"s": [True] * 9 + [False]})
    assert told.cohen_h == pytest.approx(proportion_effectsize(0.9, 0.6))


@settings(max_examples=20)  # statsmodels collects garbage at each call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holms_correction_agrees_with_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_the_number_of_runs_is_that_of_cohens_table() -> None:
    # Cohen (1988), table 6.4.1, two-sided 0.05, power 0.80: h = 0.2, 0.5, 0.8 need 392, 63, 25.
    assert [runs_needed(h) for h in (0.2, 0.5, 0.8)] == [393, 63, 25]
    assert runs_needed(0.0) is None


def many(rate_a: float, rate_b: float, scenarios: int, runs: int, seed: int) -> tuple[dict[str, list[bool]], ...]:
    draw = random.Random(seed)
    return tuple(
        {f"s{number:02}": [draw.random() < rate for _ in range(runs)] for number in range(scenarios)}
        for rate in (rate_a, rate_b)
    )


def test_a_clear_difference_is_told_with_its_direction() -> None:
    a, b = many(0.5, 0.9, 10, 10, seed=1)
    assert compare(a, b).answer is Answer.BETTER
    assert compare(b, a).answer is Answer.WORSE
    assert sentence(compare(a, b), "gpt", "claude").startswith("claude is better than gpt: ")


def test_few_runs_show_nothing_and_say_how_many_would() -> None:
    told = compare({"s": [True, True, False]}, {"s": [True, True, True]})
    assert told.answer is Answer.NOT_SHOWN
    assert "more runs of each would show it" in sentence(told)


def test_equal_outcomes_show_no_difference() -> None:
    told = compare({"s": [True, False]}, {"s": [True, False]})
    assert (told.p, told.difference, told.odds_ratio, told.runs_needed) == (1.0, 0.0, None, None)
    assert "The rates are equal" in sentence(told)


def test_scenarios_without_runs_of_both_are_named_and_not_compared() -> None:
    told = compare({"x": [True], "only": [False], "none": []}, {"x": [True], "new": [True], "none": [True]})
    assert [one.key for one in told.scenarios] == ["x"]
    assert (told.only_a, told.only_b) == (("only",), ("new", "none"))
    with pytest.raises(ValueError, match="no scenario has scored runs of both"):
        compare({"a": [True]}, {"b": [True]})


def test_one_scenario_among_many_must_be_clear_to_count() -> None:
    same = [True] * 6
    a = {f"s{number:02}": same for number in range(20)} | {"x": [True] * 6}
    b = {f"s{number:02}": same for number in range(20)} | {"x": [False] * 5 + [True]}
    alone = compare({"x": a["x"]}, {"x": b["x"]}).scenarios[0]
    among = compare(a, b).scenarios[-1]
    assert alone.answer is Answer.WORSE
    assert among.p == alone.p
    assert among.answer is Answer.NOT_SHOWN


def test_the_same_runs_give_the_same_figures() -> None:
    a, b = many(0.5, 0.6, 5, 5, seed=3)
    assert compare(a, b) == compare(a, b)


def test_no_difference_is_rarely_called_one() -> None:
    # 5 % is the promise; the exact test keeps it with room to spare.
    called = sum(
        compare(*many(0.7, 0.7, 8, 6, seed), resamples=499).answer is not Answer.NOT_SHOWN for seed in range(400)
    )
    assert called / 400 <= 0.05


@pytest.mark.parametrize(
    ("scenarios", "runs", "likeness", "most"),
    [(20, 5, 0.0, 0.97), (20, 5, 0.3, 0.97), (8, 10, 0.3, 0.97), (30, 10, 0.5, 0.97), (4, 10, 0.0, 1.0)],
)
def test_the_interval_holds_the_true_difference_as_often_as_it_claims(
    scenarios: int, runs: int, likeness: float, most: float
) -> None:
    draw, held, repetitions = np.random.default_rng(scenarios), 0, 2000
    for _ in range(repetitions):
        outcomes = []
        for truth in (0.6, 0.8):
            spread = (1 - likeness) / likeness if likeness else math.inf
            rates = draw.beta(truth * spread, (1 - truth) * spread, scenarios) if likeness else [truth] * scenarios
            outcomes.append([(draw.random(runs) < rate).tolist() for rate in rates])
        interval = bootstrap(outcomes[0], outcomes[1], CONFIDENCE, int(draw.integers(2**31)), 499)
        held += interval.low <= 0.2 + 1e-9 and interval.high >= 0.2 - 1e-9
    assert 0.925 <= held / repetitions <= most, f"{held / repetitions:.3f}"
