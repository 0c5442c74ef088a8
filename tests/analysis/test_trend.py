"""Rates over time: what breaks a line, and regressed told apart from flaky."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact
from support.reports import make_benchmark, make_report

from pytest_2501bench.analysis.trend import Course, course, fisher_less, trend
from pytest_2501bench.cli import program
from pytest_2501bench.cli.main import app
from pytest_2501bench.ids import new_id
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.statistics.proportion import Counts
from pytest_2501bench.store.repository import Store

COUNTS = st.integers(1, 15).flatmap(lambda n: st.integers(0, n).map(lambda passed: Counts(passed, n)))


@given(COUNTS, COUNTS)
def test_the_test_is_fishers(one: Counts, other: Counts) -> None:
    table = [[one.passed, one.scored - one.passed], [other.passed, other.scored - other.passed]]
    assert fisher_less(one, other) == pytest.approx(fisher_exact(table, alternative="less")[1])


@pytest.mark.parametrize(
    ("before", "last", "said"),
    [
        (Counts(10, 10), Counts(9, 10), Course.FLAKY),
        (Counts(10, 10), Counts(0, 1), Course.FLAKY),
        (Counts(10, 10), Counts(2, 5), Course.REGRESSED),
        (Counts(2, 10), Counts(10, 10), Course.IMPROVED),
        (Counts(10, 10), Counts(10, 10), Course.STEADY),
        (Counts(0, 3), Counts(0, 3), Course.STEADY),
        (Counts(0, 0), Counts(1, 1), Course.NEW),
        (Counts(10, 10), Counts(0, 0, 5), Course.UNKNOWN),
    ],
)
def test_one_red_run_after_many_green_ones_is_no_regression(before: Counts, last: Counts, said: Course) -> None:
    assert course(before, last) is said


def run(benchmark: int, passed: bool = True, **version: str) -> ScenarioReport:
    fields: dict[str, Any] = {
        "run_id": new_id("run"),
        "benchmark_id": f"bmk_{benchmark:012}",
        "started_at": float(benchmark),
        "finished_at": benchmark + 1.0,
        "status": Status.PASSED if passed else Status.FAILED,
        "version_key": {"scenario": "s1", "rules": "r1", "agent": "command", **version},
    }
    return make_report("web/1", **fields)


def test_another_agent_is_another_line_and_other_rules_break_it() -> None:
    reports = [run(1), run(1), run(2, False), run(2, agent="oracle"), run(3, rules="r2"), run(4, rules="r2")]
    command, oracle = trend(reports)
    assert (command.subject, oracle.subject) == ("command", "oracle")
    assert [segment.changed for segment in command.segments] == [(), ("rules",)]
    assert [[(p.counts.passed, p.counts.scored) for p in segment.points] for segment in command.segments] == [
        [(2, 2), (0, 1)],
        [(1, 1), (1, 1)],
    ]
    assert command.course is Course.STEADY  # what was before the break is not looked at


def test_a_regression_is_shown_and_fails_a_build_that_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with Store.open(None, tmp_path / ".2501bench") as store:
        for number in (1, 2, 3):
            store.save_benchmark(make_benchmark(id=f"bmk_{number:012}", started_at=float(number)))
        for number, passed in ((1, True), (2, True), (3, False)):
            for _ in range(5):
                store.save_report(run(number, passed))
    assert program.run(app, ["trend"], name="2501bench") == 0
    out = capsys.readouterr().out
    assert "web/1 (command): regressed" in out
    assert "bmk_000000000003  ▁   0%  0 of 5; true rate 0 to 43 %" in out
    assert out.endswith("regressed: web/1\n")
    assert program.run(app, ["trend", "--last", "1", "--fail-if-regressed"], name="2501bench") == 1
    assert "… 2 earlier" in capsys.readouterr().out
    assert program.run(app, ["trend", "-s", "last~1,last~2", "--json", "--fail-if-regressed"], name="2501bench") == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert line["course"] == "steady"
