"""Counting in the database gives what counting reports gives, in both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.records import benchmark, report
from support.showcase import fill

from pytest_2501bench.analysis.instrument import mixtures
from pytest_2501bench.analysis.outcomes import What, outcomes
from pytest_2501bench.analysis.sides import choose
from pytest_2501bench.analysis.trend import trend
from pytest_2501bench.errors import Cause, Gate
from pytest_2501bench.report.totals import totals
from pytest_2501bench.scoring.model import GateResult, Status
from pytest_2501bench.store.aggregate import (
    groups,
    light_reports,
    run_count,
    run_rows,
    scenario_tags,
    state,
    version_keys,
    whole_reports,
)
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.rows import version_digest
from pytest_2501bench.webreport.rates import rates


def gate(which: Gate, status: Status, cause: Cause | None = None) -> dict[str, Any]:
    return {which.value: GateResult(gate=which, status=status, reason="so", cause=cause)}


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    """Ordinary runs, and some whose evidence was missing."""
    fill(store, tmp_path, days=3, iterations=3)
    failed, error, passed = Status.FAILED, Status.ERROR, Status.PASSED
    for number, (fix, way, cause) in enumerate(
        [
            (passed, error, Cause.EVIDENCE_MISSING),
            (error, error, Cause.EVIDENCE_MISSING),
            (error, passed, Cause.SSH_NOT_UP),
            (failed, error, Cause.PATTERN_TIMED_OUT),
        ]
    ):
        both = failed if failed in (fix, way) else error
        store.save_report(
            report(
                f"run_{number}",
                benchmark_id="bmk_002",
                status=both,
                input_tokens=None,
                output_tokens=None,
                cost_usd=None,
                **gate(Gate.TASK_VALIDATION, fix, None if fix is passed else cause),
                **gate(Gate.COMPLIANCE, way, None if way is passed else cause),
            )
        )
    return store


def test_groups_are_the_totals_of_the_reports(filled: Store) -> None:
    for head in filled.benchmarks():
        expected = totals(filled.reports(benchmark_id=head.id))
        found = groups(filled, benchmark_id=head.id)
        assert sum(group.runs for group in found) == expected.runs
        assert sum(group.seconds for group in found) == pytest.approx(expected.seconds)
        assert sum(group.tokens or 0 for group in found) == expected.tokens
        assert sum(group.cost_usd or 0 for group in found) == pytest.approx(expected.cost_usd)
        for mine, theirs in zip(rates(found), expected.rates, strict=True):
            assert (mine.name, mine.rate, mine.undecided) == (theirs.name, theirs.rate, theirs.undecided)


def test_rows_are_the_reports_newest_first_and_can_be_paged(filled: Store) -> None:
    reports = sorted(filled.reports(), key=lambda each: (-each.started_at, each.run_id))
    keys = version_keys(filled)
    rows = run_rows(filled, keys=keys)
    assert [row.run_id for row in rows] == [each.run_id for each in reports]
    for row, each in zip(rows, reports, strict=True):
        for name in ("key", "nodeid", "status", "tags", "version_key", "tokens", "cost_usd", "seconds", "started_at"):
            expected = getattr(each, name)
            assert getattr(row, name) == (pytest.approx(expected) if isinstance(expected, float) else expected), name
        assert row.compliance.status is each.compliance.status
    assert run_rows(filled, limit=5, offset=3) == run_rows(filled)[3:8]
    red = [each.run_id for each in reports if each.status is not Status.PASSED]
    assert [row.run_id for row in run_rows(filled, passed=False)] == red
    assert len(run_rows(filled, passed=True)) == len(reports) - len(red)
    some = run_rows(filled, benchmark_ids={"bmk_000", "bmk_002"})
    assert {row.benchmark_id for row in some} == {"bmk_000", "bmk_002"}
    assert run_count(filled, key="disk/001-filling-disk") == 18


def test_light_reports_answer_as_reports_do(filled: Store) -> None:
    reports, light = filled.reports(), light_reports(filled)
    assert [each.run_id for each in light] == [each.run_id for each in reports]
    for what in What:
        assert trend(light, what) == trend(reports, what)
        assert outcomes(light, what) == outcomes(reports, what)
    one, other = (
        list(choose("tag=nginx,main-engine=model-large", filled.benchmarks(), all_runs))
        for all_runs in (reports, light)
    )
    assert [each.run_id for each in one] == [each.run_id for each in other]
    assert mixtures(reports, reports) == mixtures(light, light)


def test_whole_reports_come_in_the_order_they_are_asked_for_however_many(filled: Store) -> None:
    reports = {each.run_id: each for each in filled.reports()}
    wanted = ["run_none", *reversed(reports), *(f"run_none{number}" for number in range(300)), "run_1"]
    assert list(whole_reports(filled, wanted)) == [*reversed(reports.values()), reports["run_1"]]


def test_why_a_run_did_not_pass_is_a_message_or_the_causes_of_its_gates(filled: Store) -> None:
    (row,) = [row for row in run_rows(filled) if row.run_id == "run_3"]
    assert row.why == "pattern timed out"


def test_version_keys_and_tags(store: Store) -> None:
    store.save_benchmark(benchmark())
    store.save_report(report("run_1", started_at=1.0, tags=("old",)))
    store.save_report(report("run_2", started_at=2.0, tags=("new", "tag"), version_key={"scenario": "2"}))
    assert scenario_tags(store) == {"nginx/001-broken-config": ("new", "tag")}
    expected = [{"scenario": "00ff"}, {"scenario": "2"}]
    assert version_keys(store) == {version_digest(key): key for key in expected}


def test_the_state_changes_with_a_run_and_with_the_end_of_a_benchmark(store: Store) -> None:
    seen = [state(store)]
    store.save_benchmark(benchmark())
    seen.append(state(store))
    store.save_report(report())
    seen.append(state(store))
    store.save_benchmark(benchmark(finished_at=5.0))
    seen.append(state(store))
    assert len(set(seen)) == 4
    assert state(store) == seen[-1]


def test_nothing_stored_is_nothing_counted(store: Store) -> None:
    assert (groups(store), version_keys(store), run_rows(store), scenario_tags(store)) == ((), {}, (), {})
    assert [rate.value for rate in rates(())] == ["-", "-", "-"]
