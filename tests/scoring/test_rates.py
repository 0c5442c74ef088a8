"""Rates and their denominators."""

from __future__ import annotations

import pytest

from pytest_2501bench.errors import Gate
from pytest_2501bench.scoring.model import GateResult, Status, Verdicts
from pytest_2501bench.scoring.rates import Rate, pass_rate, pass_rates

P, F, E = Status.PASSED, Status.FAILED, Status.ERROR


@pytest.mark.parametrize(
    ("statuses", "rate", "value", "text"),
    [
        ([P, P, F, E], Rate(2, 3, 1), 2 / 3, "67% (2/3, 1 lost)"),
        ([P], Rate(1, 1, 0), 1.0, "100% (1/1)"),
        ([F], Rate(0, 1, 0), 0.0, "0% (0/1)"),
        ([E, E], Rate(0, 0, 2), None, "– (0 scored, 2 lost)"),
        ([], Rate(0, 0, 0), None, "– (0 scored)"),
    ],
)
def test_what_was_lost_is_no_part_of_the_denominator(
    statuses: list[Status], rate: Rate, value: float | None, text: str
) -> None:
    assert pass_rate(statuses) == rate
    assert rate.value == pytest.approx(value)
    assert str(rate) == text


def test_each_gate_and_both_together_have_their_own_rate() -> None:
    runs = [
        Verdicts(
            task_validation=GateResult(gate=Gate.TASK_VALIDATION, status=task, reason=""),
            compliance=GateResult(gate=Gate.COMPLIANCE, status=rules, reason=""),
        )
        for task, rules in ((P, P), (P, F), (P, E), (E, F), (E, E))
    ]
    rates = pass_rates(iter(runs))
    assert rates.task_validation == Rate(3, 3, 2)
    assert rates.compliance == Rate(1, 3, 2)
    assert rates.both == Rate(1, 3, 2)
