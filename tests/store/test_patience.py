"""A database that is away for a moment is waited for, once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.store.patience import patiently
from pytest_2501bench.store.registry import PATIENCE
from pytest_2501bench.store.repository import Store


def test_work_is_repeated_until_the_database_answers_and_other_errors_are_not(tmp_path: Path) -> None:
    calls: list[int] = []

    def lost_twice() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise BenchError(Cause.DATABASE_LOST, "away")
        return "stored"

    def wrong() -> str:
        calls.append(1)
        raise BenchError(Cause.OPTION_INVALID, "never right")

    with Store.open(None, tmp_path) as store:
        assert patiently(store, lost_twice) == "stored"
        assert len(calls) == 3
        with pytest.raises(BenchError, match="never right"):
            patiently(store, wrong)
        assert len(calls) == 4


def test_a_database_that_stayed_away_is_not_waited_for_again_until_it_has_answered(tmp_path: Path) -> None:
    def lost() -> None:
        raise BenchError(Cause.DATABASE_LOST, "away")

    with Store.open(None, tmp_path) as store:
        store.patience = 0.5
        began = time.monotonic()
        with pytest.raises(BenchError):
            patiently(store, lost)
        assert time.monotonic() - began >= 0.5
        calls: list[int] = []

        def count() -> None:
            calls.append(1)
            lost()

        with pytest.raises(BenchError):
            patiently(store, count)
        assert len(calls) == 1
        patiently(store, lambda: None)
        assert store.patience == PATIENCE
