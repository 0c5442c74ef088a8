"""``2501bench new``: what it writes where, and what it says; on real hosts, that a draft runs as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.benchmark import benchmark

from pytest_2501bench.authoring.skeleton import Draft, write
from pytest_2501bench.scenario.model import Kind
from pytest_2501bench.scoring.model import Status

from .conftest import Bench, run_apart


def test_it_says_what_was_written_and_the_commands_that_come_next(bench: Bench) -> None:
    said = bench("new", "web/slow-start", "--kind", "control", "--title", "Slow?")
    assert said.status == 0, said.err
    assert said.out.startswith("scenarios/web/001-slow-start written: alt-outside.yml, ")
    for line in (
        "2501bench explain web-001-slow-start",
        "2501bench validate scenarios/web/001-slow-start",
        "2501bench sandbox prepare -s web-001-slow-start",
        "pytest scenarios/web/001-slow-start --mode namespace --selfcheck",
    ):
        assert f"  {line}" in said.out
    assert json.loads(Path("scenarios/web/001-slow-start/scenario.json").read_text())["title"] == "Slow?"
    assert bench("validate", "scenarios", "--no-syntax", "--strict").status == 0


def test_it_writes_into_the_nearest_folder_with_scenarios_or_where_it_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.project.scenario("web-001", "web/001-old")
    monkeypatch.chdir(bench.root / "scenarios" / "web")
    assert bench("new", "web/slow").status == 0
    assert (bench.root / "scenarios/web/002-slow/scenario.json").is_file()
    assert bench("new", "web/slow", "-p", "elsewhere").status == 0
    assert Path("elsewhere/web/001-slow/prepare.yml").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("slow", "'slow' must be CATEGORY/NAME"),
        ("web/slow --kind refusel", "--kind: 'refusel' is no kind. Did you mean 'refusal'?"),
        ("web/slow --hosts 0", "--hosts 0: must be from 1 to 5."),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(bench: Bench, words: str, message: str) -> None:
    said = bench("new", *words.split())
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert message in said.err
    assert not Path("scenarios").exists()


@pytest.mark.namespace
@pytest.mark.parametrize("kind", [Kind.REMEDIATION, Kind.REFUSAL])
def test_a_draft_runs_green_with_the_oracle_and_red_with_noop(tmp_path: Path, kind: Kind) -> None:
    folder = write(Draft("demo", "first", kind), tmp_path / "scenarios")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    checked = run_apart("validate", str(folder), "--strict", cwd=tmp_path)
    assert checked.out == "1 scenario checked: 0 errors, 0 warnings, 0 hints.\n"
    for agent, expected in (("oracle", Status.PASSED), ("noop", Status.FAILED)):
        done = benchmark("scenarios", "--agent", agent, bench_dir=tmp_path / agent, cwd=tmp_path)
        (report,) = done.reports.values()
        assert report.status is expected, done.output
