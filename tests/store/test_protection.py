"""Runs that an audit protects, in either database, and what stays known of it."""

from __future__ import annotations

from pytest_2501bench.store.protection import history, protect, protected, release
from pytest_2501bench.store.repository import Store


def test_protections_outlive_many_runs_and_the_run_itself(store: Store) -> None:
    runs = [f"run_{number}" for number in range(1200)]
    protect(store, [*runs, runs[0]], "ada@lab-1", 1.5, "00")
    assert len(protected(store, [*runs, "run_x"])) == 1200
    assert release(store, [*runs[:600], "run_x"], "bob@lab-1", 2.5, "old") == tuple(runs[:600])
    assert len(protected(store, runs)) == 600
    (found,) = history(store, ["run_0"])
    assert (found.by, found.at, found.released_by, found.released_at) == ("ada@lab-1", 1.5, "bob@lab-1", 2.5)
