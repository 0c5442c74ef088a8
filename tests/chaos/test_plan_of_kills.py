"""The plan of kills, and the judgement on a disturbed run."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.chaos.judge import Judgement, Outcome, table
from pytest_2501bench.chaos.plan import LONGEST, PHASES, SHORTEST, Part, make_plan
from pytest_2501bench.errors import Phase

KEYS = ("disk", "nginx", "unit")
some_parts = st.lists(st.sampled_from(list(Part)), min_size=1, unique=True)


@given(parts=some_parts, times=st.integers(1, 60), seed=st.integers(0, 2**31))
def test_a_plan_is_even_possible_and_the_same_for_the_same_seed(parts: list[Part], times: int, seed: int) -> None:
    plan = make_plan(KEYS, parts, times=times, seed=seed)
    assert plan == make_plan(KEYS, parts, times=times, seed=seed)
    assert [kill.number for kill in plan] == list(range(1, times + 1))
    for kill in plan:
        assert kill.phase in PHASES[kill.part]
        assert 0 <= kill.moment <= 1
        assert SHORTEST <= kill.away <= LONGEST
    for chosen, possible in ((Counter(k.part for k in plan), parts), (Counter(k.key for k in plan), KEYS)):
        counts = [chosen[each] for each in possible]  # type: ignore[index]
        assert max(counts) - min(counts) <= 1


def test_another_seed_is_another_plan() -> None:
    assert make_plan(KEYS, list(Part), times=20, seed=1) != make_plan(KEYS, list(Part), times=20, seed=2)


def test_a_phase_that_a_part_does_not_have_leaves_it_out_or_is_refused() -> None:
    plan = make_plan(KEYS, [Part.ENGINE, Part.HOST], times=10, seed=3, at=Phase.FLUSH)
    assert {kill.part for kill in plan} == {Part.ENGINE}
    with pytest.raises(ValueError, match="host cannot be broken in phase flush"):
        make_plan(KEYS, [Part.HOST], times=1, seed=3, at=Phase.FLUSH)


def test_the_table_counts_every_kill_once_and_what_is_bad_is_known() -> None:
    plan = make_plan(KEYS, list(Part), times=10, seed=3)
    done = [Judgement(kill, outcome) for kill, outcome in zip(plan, [*Outcome, *Outcome], strict=True)]
    assert table(done)[-1].split() == ["all", "2", "2", "2", "2", "2", "0"]
    assert {each.outcome for each in done if each.bad} == {Outcome.LOST, Outcome.WRONG}
    assert Judgement(plan[0], Outcome.RECOVERED, left=("process 1",)).bad
