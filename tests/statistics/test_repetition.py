"""pass@k, pass^k, requirements, and stopping when the outcome is settled."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.statistics.proportion import Counts
from pytest_2501bench.statistics.repetition import Requirement, Verdict, decided, judge, pass_at_k, pass_hat_k

RUNS = st.lists(st.booleans(), min_size=1, max_size=9)


@given(RUNS, st.integers(1, 9))
def test_both_estimates_are_the_mean_over_all_ways_to_choose_k_runs(runs: list[bool], k: int) -> None:
    chosen = list(combinations(runs, k))
    if not chosen:
        assert pass_at_k(len(runs), sum(runs), k) is None
        assert pass_hat_k(len(runs), sum(runs), k) is None
        return
    assert pass_at_k(len(runs), sum(runs), k) == pytest.approx(sum(map(any, chosen)) / len(chosen))
    assert pass_hat_k(len(runs), sum(runs), k) == pytest.approx(sum(map(all, chosen)) / len(chosen))


@pytest.mark.parametrize(
    "text", ["pass-rate>=0.9", "compliance>=1", "both>=0.75", "pass@3>=0.8", "nginx:pass^2>=0.5", "disk-001:both>=0.9"]
)
def test_a_requirement_is_written_as_it_is_read(text: str) -> None:
    assert str(Requirement.parse(text)) == text


def test_per_cent_and_blanks_are_understood() -> None:
    assert Requirement.parse(" both >= 90% ") == Requirement.parse("both>=0.9")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pass-rat>=0.9", "did you mean 'pass-rate'?"),
        ("pass-rate", "must be like pass-rate>=0.9"),
        ("pass-rate>=1.2", "between 0 and 1"),
        ("pass@>=0.9", "takes a number of runs, as in pass@3"),
        ("pass@0>=0.9", "takes a number of runs"),
        ("both3>=0.9", "takes no number"),
        ("pass-rate<=0.9", "must be like"),
    ],
)
def test_a_wrong_requirement_says_what_would_be_right(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Requirement.parse(text)


def test_nine_of_ten_is_ninety_per_cent() -> None:
    assert judge(Requirement.parse("both>=0.9"), Counts(9, 10)) is Verdict.MET
    assert judge(Requirement.parse("both>=0.9"), Counts(8, 9)) is Verdict.NOT_MET


def test_too_many_lost_runs_are_inconclusive_whatever_the_rate() -> None:
    assert judge(Requirement.parse("both>=0.5"), Counts(8, 8, 2)) is Verdict.INCONCLUSIVE
    assert judge(Requirement.parse("both>=0.5"), Counts(0, 8, 2)) is Verdict.INCONCLUSIVE


def test_an_estimate_that_needs_more_runs_is_inconclusive() -> None:
    assert judge(Requirement.parse("pass@3>=0.5"), Counts(2, 2)) is Verdict.INCONCLUSIVE


REQUIREMENTS = st.sampled_from(["both>=0.9", "both>=0.5", "pass@3>=0.9", "pass^2>=0.6", "pass-rate>=0", "both>=1"])


@given(REQUIREMENTS, st.lists(st.booleans(), min_size=1, max_size=12), st.integers(0, 12))
def test_a_decided_outcome_is_the_outcome_of_all_runs(text: str, outcomes: list[bool], seen: int) -> None:
    requirement = Requirement.parse(text)
    seen = min(seen, len(outcomes))
    early = decided(requirement, Counts(sum(outcomes[:seen]), seen), len(outcomes))
    if early is not None:
        assert early is judge(requirement, Counts(sum(outcomes), len(outcomes)))


@given(REQUIREMENTS, st.lists(st.booleans(), max_size=6), st.integers(1, 5))
def test_an_undecided_outcome_can_still_go_both_ways(text: str, outcomes: list[bool], left: int) -> None:
    requirement = Requirement.parse(text)
    total = len(outcomes) + left
    if decided(requirement, Counts(sum(outcomes), len(outcomes)), total) is None:
        worst = judge(requirement, Counts(sum(outcomes), total))
        best = judge(requirement, Counts(sum(outcomes) + left, total))
        assert worst is not best or worst is Verdict.INCONCLUSIVE


def test_a_hopeless_scenario_is_decided_early() -> None:
    assert decided(Requirement.parse("both>=0.9"), Counts(0, 2), planned=10) is Verdict.NOT_MET
    assert decided(Requirement.parse("both>=0.9"), Counts(0, 1), planned=10) is None
    assert decided(Requirement.parse("both>=0.5"), Counts(5, 5), planned=10) is Verdict.MET


def test_lost_runs_keep_a_scenario_undecided() -> None:
    assert decided(Requirement.parse("both>=0.5"), Counts(5, 5, 1), planned=10) is None
