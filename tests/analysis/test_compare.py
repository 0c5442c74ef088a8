"""Which runs a side means, what may be compared, and what ``2501bench compare`` says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.reports import make_benchmark, make_gate, make_report

from pytest_2501bench.analysis.instrument import mixtures
from pytest_2501bench.analysis.outcomes import What, outcomes, spent
from pytest_2501bench.analysis.sides import choose
from pytest_2501bench.cli import program
from pytest_2501bench.cli.main import app
from pytest_2501bench.errors import BenchError, Gate
from pytest_2501bench.ids import new_id
from pytest_2501bench.report.model import Benchmark, ScenarioReport
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.store.repository import Store

OLD, NEW = "bmk_2aaaaaaaaaaa", "bmk_3bbbbbbbbbbb"


def benchmark(identity: str, at: float, **fields: Any) -> Benchmark:
    return make_benchmark(id=identity, started_at=at, **fields)


BENCHMARKS = (benchmark(OLD, 1.0, git={"commit": "aaa111"}), benchmark(NEW, 2.0, git={"commit": "bbb222"}))


def run(key: str, *, passed: bool | None = True, of: str = OLD, **fields: Any) -> ScenarioReport:
    """One run; None was lost to infrastructure."""
    status = {True: Status.PASSED, False: Status.FAILED, None: Status.ERROR}[passed]
    gates = {"task_validation": make_gate(Gate.TASK_VALIDATION, status), "status": status}
    version = {"version_key": {"scenario": "s1", "rules": "r1", "main_engine": fields.get("main_engine", "a")}}
    return make_report(key, **({"run_id": new_id("run"), "benchmark_id": of} | gates | version | fields))


def keys(spec: str, *reports: ScenarioReport) -> list[str]:
    return [report.key for report in choose(spec, BENCHMARKS, reports)]


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        ("last", ["b", "c"]),
        ("last~1", ["a"]),
        ("last,last~1", ["a", "b", "c"]),
        ("bmk_2", ["a"]),
        ("main-engine=x", ["a", "c"]),
        ("last,main-engine=x", ["c"]),
        ("tag=db,mode=incus", ["b"]),
        ("commit=bbb", ["b", "c"]),
        ("key=b", ["b"]),
    ],
)
def test_a_side_is_benchmarks_and_conditions(spec: str, meant: list[str]) -> None:
    reports = (
        run("a", main_engine="x"),
        run("b", of=NEW, tags=("db",), mode="incus"),
        run("c", of=NEW, main_engine="x"),
    )
    assert keys(spec, *reports) == meant


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("last~2", "there are only 2 benchmarks"),
        ("last~x", "'x' is no number"),
        ("bmk_", "2 benchmarks begin with 'bmk_'"),
        ("bmk_9", "there is no benchmark 'bmk_9'"),
        ("main_engin=x", "did you mean 'main-engine'?"),
        ("main-engine=nobody", "no stored run is meant by it"),
        ("", "there is no benchmark ''"),
    ],
)
def test_a_side_that_means_nothing_is_one_line(spec: str, said: str) -> None:
    with pytest.raises(BenchError, match="A side is a benchmark") as caught:
        keys(spec, run("a"))
    assert said in str(caught.value)


def test_lost_runs_are_no_outcome_and_are_counted_as_lost() -> None:
    reports = [run("a"), run("a", passed=False), run("a", passed=None), run("b", passed=None)]
    assert outcomes(reports, What.TASK_VALIDATION) == {"a": [True, False], "b": []}
    told = spent(reports, What.TASK_VALIDATION)
    assert (told.runs, told.lost) == (4, 2)


def test_sides_may_differ_in_who_was_measured_and_in_nothing_else() -> None:
    a = [run("a", version_key={"scenario": "s1", "main_engine": "x"})]
    assert mixtures(a, [run("a", version_key={"scenario": "s1", "main_engine": "y"})]) == []
    assert mixtures(a, [run("a", version_key={"scenario": "s2", "main_engine": "y"})]) == [
        "a: A and B differ in scenario"
    ]
    assert mixtures(a, [run("b", version_key={"scenario": "s2"})]) == []
    mixed = [run("a", version_key={"scenario": "s1", "main_engine": each}) for each in "xy"]
    assert mixtures(a, mixed) == ["a: runs of B differ in main_engine"]


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve runs of two scenarios each: the old agent passes 2 of 12, the new one all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with Store.open(None, tmp_path / ".2501bench") as store:
        for each in BENCHMARKS:
            store.save_benchmark(each)
        for key in ("web/1", "web/2"):
            for number in range(12):
                at: dict[str, Any] = {"iteration": number + 1, "started_at": float(number), "finished_at": number + 8.0}
                store.save_report(run(key, passed=number < 2, **at))
                store.save_report(run(key, of=NEW, cost_usd=0.5, main_engine="b", **at))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = program.run(app, words, name="2501bench")
    out, err = capsys.readouterr()
    return status, out, err


def test_a_better_side_is_called_better_with_figures_that_add_up(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = said(capsys, "compare", "last~1", "last", "--json")
    told = json.loads(out)
    assert status == 0
    assert told["answer"] == "better"
    assert told["sentence"].startswith("last is better than last~1: 100% against 17% over 2 scenarios")
    assert (told["pairs"], told["only_a_passed"], told["only_b_passed"]) == (24, 0, 20)
    # Exact McNemar, 20 discordant pairs all one way: 2 / 2^20.
    assert told["p"] == pytest.approx(2 / 2**20)
    assert told["spent"]["b"] == {"runs": 24, "lost": 0, "seconds": 8.0, "tokens": None, "cost_usd": 0.5}
    assert [each["answer"] for each in told["scenarios"]] == ["better", "better"]


def test_a_worse_side_fails_a_build_that_asks_for_it(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "compare", "last", "last~1")[0] == 0
    status, out, _ = said(capsys, "compare", "main-engine=b", "last~1", "--fail-if-worse")
    assert status == 1
    assert "last~1 is worse than main-engine=b" in " ".join(out.split())
    assert said(capsys, "compare", "last~1", "last", "--fail-if-worse")[0] == 0


def test_other_rules_are_another_instrument(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(None, stored / ".2501bench") as store:
        store.save_benchmark(benchmark("bmk_4ccccccccccc", 3.0))
        store.save_report(run("web/1", of="bmk_4ccccccccccc", version_key={"scenario": "s1", "rules": "r2"}))
    status, _, err = said(capsys, "compare", "last~1", "last")
    assert status == 2
    assert "not measured with the same instrument: web/1: A and B differ in rules" in err
    assert "--mix" in err
    status, out, _ = said(capsys, "compare", "last~1", "last", "--mix")
    assert status == 0
    assert "mixed: web/1: A and B differ in rules" in out
    assert "only A has runs of: web/2; not compared" in out
