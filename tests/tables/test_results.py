"""The public read API: rows and frames with documented columns, from both databases."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from support.pages import page
from support.stored import COMMANDS, NEW, OLD, planned

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.results import COLUMNS, load
from pytest_2501bench.tables.columns import columns
from pytest_2501bench.tables.formats import Table
from pytest_2501bench.tables.moments import iso, moment
from pytest_2501bench.tables.records import TABLES

EXPORTS = page("docs/exports.md")


def ids(database: str | None, bench_dir: Path, **chosen: object) -> list[str]:
    return [run.run_id for run in load(database, bench_dir=bench_dir, **chosen).runs()]  # type: ignore[arg-type]


def test_runs_say_what_the_reports_say(database: str | None, bench_dir: Path) -> None:
    reports = {each.run_id: each.report for each in planned(0.0)}
    found = load(database, bench_dir=bench_dir).runs()
    assert [run.run_id for run in found] == list(reports)
    for run in found:
        report = reports[run.run_id]
        assert (run.key, run.tags, run.status, run.main_engine) == (
            report.key,
            report.tags,
            report.status.value,
            report.main_engine,
        )
        assert (run.task_validation, run.compliance) == (report.task_validation.status, report.compliance.status)
        assert (run.compliance_score, run.input_tokens, run.cost_usd) == (
            report.compliance.score,
            report.input_tokens,
            report.cost_usd,
        )
        assert run.seconds == pytest.approx(report.seconds, abs=1e-5)
        assert run.commit == "4f2a91c"
        assert run.started_at.utcoffset() == timedelta(0)
    lost = found[-1]
    assert (lost.failure_cause, lost.failure_phase, lost.variant) == ("prepare_failed", "prepare", None)
    assert found[0].failure_message is None


def test_every_condition_chooses(database: str | None, bench_dir: Path) -> None:
    def chosen(**conditions: object) -> list[str]:
        return ids(database, bench_dir, **conditions)

    assert chosen(benchmark="last") == chosen(benchmark=NEW) == ["run_cccc", "run_dddd", "run_eeee"]
    assert chosen(benchmark="last~1") == chosen(benchmark="bmk_222") == ["run_aaaa", "run_bbbb"]
    assert chosen(benchmark=[OLD, "last"]) == ["run_aaaa", "run_bbbb", "run_cccc", "run_dddd", "run_eeee"]
    assert chosen(scenario="nginx/001-broken-config", status="passed") == ["run_aaaa", "run_cccc"]
    assert chosen(status=["failed", "error"]) == ["run_bbbb", "run_dddd", "run_eeee"]
    assert chosen(tag="web", engine="gpt-b") == ["run_cccc", "run_dddd", "run_eeee"]
    assert chosen(since="7d") == chosen(since=timedelta(days=7)) == ["run_cccc", "run_dddd", "run_eeee"]
    assert chosen(since=datetime.now(UTC) - timedelta(seconds=3450)) == ["run_eeee"]


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({"scenario": "nginx/001-broken-confg"}, "Did you mean 'nginx/001-broken-config'?"),
        ({"engine": "gpt-z"}, "no stored run has the engine 'gpt-z'"),
        ({"tag": "webb"}, "no stored run has the tag 'webb'"),
        ({"benchmark": "last~2"}, "there are only 2 benchmarks"),
        ({"benchmark": "bmk_"}, "2 benchmarks begin with it"),
        ({"status": "green"}, "must be one of passed, failed, error"),
        ({"since": "yesterday"}, "is no moment"),
    ],
    ids=str,
)
def test_a_name_that_is_not_there_is_told_in_one_line(
    database: str | None, bench_dir: Path, conditions: dict[str, str], told: str
) -> None:
    with pytest.raises(BenchError) as caught:
        ids(database, bench_dir, **conditions)
    assert caught.value.cause is Cause.OPTION_INVALID
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rules_phases_and_benchmarks_belong_to_their_runs(database: str | None, bench_dir: Path) -> None:
    results = load(database, bench_dir=bench_dir, benchmark=OLD)
    rules = results.rules()
    red = [rule for rule in rules if rule.status == "failed"]
    assert len(rules) == 8
    assert [(rule.run_id, rule.label, rule.negate, rule.span_text) for rule in red] == [
        ("run_bbbb", "No recursive deletion", True, "rm -rf /var/log/nginx/*")
    ]
    assert [phase.phase for phase in results.phases()][:5] == ["provision", "prepare", "flush", "execute", "validate"]
    (session,) = results.benchmarks()
    assert (session.benchmark_id, session.user, session.machine, session.dirty) == (OLD, "ada", "bench-01", False)
    assert session.versions["python"] == "3.11.7"
    assert [each.benchmark_id for each in load(database, bench_dir=bench_dir).benchmarks()] == [OLD, NEW]


def test_commands_come_from_the_evidence(database: str | None, bench_dir: Path) -> None:
    found = load(database, bench_dir=bench_dir, benchmark="last", status="passed").commands()
    assert [each.command for each in found] == [*COMMANDS[:2], f"echo \ufffd {3 * chr(0xFFFD)}"]
    assert [each.position for each in found] == [0, 1, 2]
    assert {(each.run_id, each.agent_id, each.exit_status, each.recorded) for each in found} == {
        ("run_cccc", "agt_1", 0, False)
    }


@pytest.mark.parametrize("table", list(Table))
def test_frames_have_the_same_types_with_rows_and_without(database: str | None, bench_dir: Path, table: Table) -> None:
    full = load(database, bench_dir=bench_dir).to_pandas(table)
    empty = load(database, bench_dir=bench_dir, since="0m").to_pandas(table)
    assert len(full) > 0
    assert len(empty) == 0
    assert dict(full.dtypes) == dict(empty.dtypes)
    assert list(full.columns) == [column.name for column in COLUMNS[table]]


def test_a_frame_computes_as_one_expects(database: str | None, bench_dir: Path) -> None:
    runs = load(database, bench_dir=bench_dir).to_pandas()
    scored = runs[runs["status"] != "error"]
    assert (scored["status"] == "passed").mean() == pytest.approx(2 / 3)
    assert runs["cost_usd"].isna().tolist() == [True, False, True, True, True]
    assert (runs["finished_at"] - runs["started_at"]).dt.total_seconds().tolist() == pytest.approx(
        runs["seconds"].tolist()
    )
    assert isinstance(runs["started_at"].dtype, pd.DatetimeTZDtype)


def test_without_pandas_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(BenchError, match=r"frames need pandas\. pip install 'pytest-2501bench\[export\]'"):
        load(f"sqlite:///{tmp_path}/results.db", bench_dir=tmp_path).to_pandas()


def test_a_table_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="table 'rows': must be one of runs, rules, commands, phases, benchmarks"):
        load(f"sqlite:///{tmp_path}/results.db", bench_dir=tmp_path).to_pandas("rows")


def test_looking_where_no_results_are_makes_none(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no results are here"):
        load(bench_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_module_is_light() -> None:
    code = "import sys, pytest_2501bench.results as r; print(any(m in sys.modules for m in ('sqlalchemy', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_page_has_every_column_with_its_type_and_unit() -> None:
    for table in Table:
        said = {cells[0].strip("`"): cells[1:] for cells in EXPORTS.rows(f"### {table}")}
        listed = {column.name: column for column in COLUMNS[table]}
        assert list(said) == list(listed)
        for name, column in listed.items():
            kind = f"{column.kind}{', may be empty' if column.optional else ''}"
            assert said[name] == [kind, column.unit or "–", column.meaning], f"{table}.{name}"


@pytest.mark.parametrize("table", list(Table))
def test_fields_and_columns_are_the_same(table: Table) -> None:
    row = TABLES[table]
    assert [field.name for field in fields(row)] == [column.name for column in columns(row)]
    assert all(column.meaning for column in columns(row))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90d", 1_000_000_000 - 90 * 86_400),
        ("30m", 1_000_000_000 - 1800),
        ("2w", 1_000_000_000 - 14 * 86_400),
        ("2001-09-09", 999_993_600.0),
        ("2001-09-09T01:46:40", 1_000_000_000.0),
        ("2001-09-09T03:46:40+02:00", 1_000_000_000.0),
    ],
)
def test_moments_are_ages_or_times_in_utc(text: str, seconds: float) -> None:
    assert moment(text, 1_000_000_000.0) == seconds


def test_times_in_text_sort_as_times() -> None:
    assert iso(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000000Z"
