"""Benchmarks and reports are stored once, whole, and equally in both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.records import START, benchmark, report, rule

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.folder import run_dir, write_benchmark, write_report
from pytest_2501bench.evidence.model import PhaseRecord, PhaseStatus
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.store import schema
from pytest_2501bench.store.repository import Store, dump_rows
from pytest_2501bench.store.rows import version_digest


def test_a_report_comes_back_exactly(store: Store) -> None:
    store.save_benchmark(benchmark())
    store.save_report(report())
    assert store.report("run_1") == report()
    assert store.benchmark("bmk_1") == benchmark()
    assert store.report("run_2") is None
    assert store.benchmark("bmk_2") is None


def test_the_same_run_twice_gives_the_same_rows(store: Store) -> None:
    store.save_benchmark(benchmark())
    store.save_report(report())
    once = dump_rows(store)
    assert [len(once[name]) for name in ("scenario_reports", "rule_results", "phase_durations")] == [1, 2, 2]
    store.save_benchmark(benchmark())
    store.save_report(report())
    assert dump_rows(store) == once


def test_a_run_that_is_scored_again_replaces_its_rows(store: Store) -> None:
    store.save_benchmark(benchmark())
    store.save_report(report())
    fewer = report().compliance.model_copy(update={"rules": (rule(0, Status.PASSED),), "status": Status.PASSED})
    store.save_report(report(compliance=fewer, phases=()))
    rows = dump_rows(store)
    assert len(rows["rule_results"]) == 1
    assert rows["phase_durations"] == []
    assert rows["scenario_reports"][0]["compliance"] == "passed"


def test_the_end_of_a_benchmark_replaces_its_start(store: Store) -> None:
    store.save_benchmark(benchmark())
    store.save_benchmark(benchmark(finished_at=START + 60))
    found = store.benchmark("bmk_1")
    assert found is not None
    assert found.finished_at == START + 60
    assert len(store.benchmarks()) == 1


def test_columns_say_what_sql_is_asked_for(store: Store) -> None:
    store.save_benchmark(benchmark())
    store.save_report(report())
    rows = dump_rows(store)
    (row,) = rows["scenario_reports"]
    assert row["task_validation"] == "passed"
    assert row["task_validation_cause"] is None
    assert row["compliance"] == "failed"
    assert row["compliance_cause"] == "rule_not_met"
    assert row["compliance_score"] == 0.5
    assert row["tags"] == ["nginx", "web"]
    assert row["started_at"] == START
    assert row["finished_at"] == pytest.approx(START + 9.123457, abs=1e-6)
    assert row["version_digest"] == version_digest({"scenario": "00ff"})
    first, second = rows["rule_results"]
    assert (first["gate"], first["position"], first["scope"], first["rule_index"]) == ("compliance", 0, "tasks", 0)
    assert first["required"] is True
    assert first["span"]["text"] == "nginx -t"
    assert second["negate"] is True
    assert [row["phase"] for row in rows["phase_durations"]] == ["provision", "execute"]
    assert rows["benchmarks"][0]["user_name"] == "ada"


@pytest.mark.postgres
def test_postgresql_keeps_moments_as_timestamps_with_zone(postgres_url: str, tmp_path: Path) -> None:
    with Store.open(postgres_url, tmp_path) as store:
        store.save_benchmark(benchmark())
        store.save_report(report())
        with store.engine.connect() as connection:
            query = (
                "SELECT extract(epoch FROM started_at)::float8, pg_typeof(started_at)::text, pg_typeof(document)::text"
            )
            found = connection.exec_driver_sql(f"{query} FROM bench2501.scenario_reports").one()
    assert tuple(found) == (START, "timestamp with time zone", "jsonb")


def test_sqlite_keeps_moments_as_utc_text(tmp_path: Path) -> None:
    with Store.open(None, tmp_path) as store:
        store.save_benchmark(benchmark())
        with store.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT started_at, typeof(started_at) FROM benchmarks").one()
    assert tuple(found) == ("2025-11-23 20:16:35.250000", "text")


@pytest.mark.postgres
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=st.text(min_size=1),
    cost=st.none() | st.floats(0, 1e6),
    tokens=st.none() | st.integers(0, 2**62),
    seconds=st.floats(0, 1e5),
    settings_=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text()),
)
def test_both_databases_hold_equal_rows(
    postgres_url: str,
    tmp_path: Path,
    title: str,
    cost: float | None,
    tokens: int | None,
    seconds: float,
    settings_: dict[str, Any],
) -> None:
    one = report(title=title, cost_usd=cost, input_tokens=tokens, finished_at=START + seconds)
    dumps = []
    for url in (postgres_url, None):
        with Store.open(url, tmp_path) as store:
            store.save_benchmark(benchmark(settings=settings_))
            store.save_report(one)
            dumps.append(dump_rows(store))
    assert dumps[0] == dumps[1]


def test_what_postgresql_cannot_hold_is_replaced_and_the_run_is_kept(store: Store) -> None:
    store.save_benchmark(benchmark(settings={"odd\x00": ["\ud800", {"deep": "\x00"}]}))
    store.save_report(report(title="a\x00b", failure_message="\x00"))
    found = store.report("run_1")
    assert found is not None
    assert found.title == "a\ufffdb"
    stored = store.benchmark("bmk_1")
    assert stored is not None
    assert stored.settings == {"odd\ufffd": ["\ufffd\ufffd\ufffd", {"deep": "\ufffd"}]}


def test_a_report_that_cannot_be_stored_leaves_nothing_of_itself(store: Store) -> None:
    store.save_benchmark(benchmark())
    store.save_report(report())
    before = dump_rows(store)
    huge = PhaseRecord(
        name=Phase.EXECUTE, status=PhaseStatus.OK, started_at=1e17, seconds=1
    )  # no calendar has that day
    with pytest.raises(BenchError) as caught:
        store.save_report(report(title="changed", phases=(huge,)))
    assert caught.value.cause is Cause.HARNESS_BUG
    assert "\n" not in str(caught.value)
    assert dump_rows(store) == before


def test_a_report_without_its_benchmark_is_refused(store: Store) -> None:
    with pytest.raises(BenchError) as caught:
        store.save_report(report())
    assert caught.value.cause is Cause.HARNESS_BUG
    assert "\n" not in str(caught.value)
    assert dump_rows(store)["scenario_reports"] == []


def test_reports_are_found_by_benchmark_key_and_version(store: Store) -> None:
    store.save_benchmark(benchmark())
    store.save_benchmark(benchmark("bmk_2", started_at=START + 100))
    for number, (bmk, key) in enumerate([("bmk_1", "a"), ("bmk_1", "b"), ("bmk_2", "a")]):
        one = report(f"run_{number}", benchmark_id=bmk, key=key, started_at=START - number, version_key={"s": key})
        store.save_report(one)

    def ids(found: tuple[ScenarioReport, ...]) -> list[str]:
        return [one.run_id for one in found]

    assert ids(store.reports()) == ["run_2", "run_1", "run_0"]
    assert ids(store.reports(benchmark_id="bmk_1")) == ["run_1", "run_0"]
    assert ids(store.reports(key="a")) == ["run_2", "run_0"]
    assert ids(store.reports(key="a", benchmark_id="bmk_2")) == ["run_2"]
    assert ids(store.reports(version_digest=version_digest({"s": "b"}))) == ["run_1"]
    assert [one.id for one in store.benchmarks()] == ["bmk_1", "bmk_2"]


def test_the_last_duration_is_that_of_the_latest_scored_run(store: Store) -> None:
    store.save_benchmark(benchmark())
    runs: list[tuple[str, float, float, Status, str]] = [
        ("a", 0, 10, Status.PASSED, "namespace"),
        ("a", 5, 20, Status.FAILED, "namespace"),
        ("a", 9, 1, Status.ERROR, "namespace"),
        ("b", 0, 7, Status.PASSED, "incus"),
        ("c", 0, 3, Status.ERROR, "namespace"),
    ]
    for number, (key, at, seconds, status, mode) in enumerate(runs):
        begin = START + at
        one = report(f"run_{number}", key=key, status=status, mode=mode, started_at=begin, finished_at=begin + seconds)
        store.save_report(one)
    assert store.last_durations() == {"a": 20.0, "b": 7.0}
    assert store.last_durations(mode="incus") == {"b": 7.0}


def test_a_run_folder_is_imported_with_its_benchmark(store: Store, tmp_path: Path) -> None:
    write_benchmark(tmp_path, benchmark())
    place = run_dir(tmp_path, "bmk_1", "nginx/001", 1)
    place.mkdir()
    write_report(place, report())
    assert store.import_run(place) == report()
    once = dump_rows(store)
    store.import_run(place)
    assert dump_rows(store) == once
    assert len(once["benchmarks"]) == 1


def test_questions_about_reports_use_an_index(tmp_path: Path) -> None:
    with Store.open(None, tmp_path) as store, store.engine.connect() as connection:
        for condition, index in (
            (schema.scenario_reports.c.benchmark_id == "x", "ix_scenario_reports_benchmark_id"),
            (schema.scenario_reports.c.key == "x", "ix_scenario_reports_key_started_at"),
            (schema.scenario_reports.c.version_digest == "x", "ix_scenario_reports_version_digest"),
            (schema.rule_results.c.label == "x", "ix_rule_results_label"),
        ):
            compiled = (
                sa.select(sa.literal(1))
                .where(condition)
                .compile(connection, schema_translate_map={schema.SCHEMA: None}, compile_kwargs={"literal_binds": True})
            )
            sql = str(compiled).replace("__[SCHEMA_bench2501].", "")
            plan = " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}"))
            assert index in plan, plan
