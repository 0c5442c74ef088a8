"""``2501bench export`` and ``schema``: options, output, and mistakes in one line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.stored import NEW, fill

from pytest_2501bench.cli import program
from pytest_2501bench.cli.main import app
from pytest_2501bench.store.repository import Store

Verb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Verb:
    """The command in a folder with results."""
    bench_dir = tmp_path / ".2501bench"
    bench_dir.mkdir()
    with Store.open(None, bench_dir) as store:
        fill(store, bench_dir)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = program.run(app, list(words), name="2501bench")
        sys.stdout.flush()
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return run


def test_a_file_gets_the_format_of_its_ending(verb: Verb, tmp_path: Path) -> None:
    assert verb("export", "-o", "runs.csv") == (0, "runs.csv: 5 runs.\n", "")
    with (tmp_path / "runs.csv").open(newline="") as file:
        assert [row["run_id"] for row in csv.DictReader(file)] == [f"run_{c * 4}" for c in "abcde"]
    assert verb("export", "last", "--table", "rules", "-o", "rules.jsonl") == (0, "rules.jsonl: 6 rules.\n", "")


def test_conditions_choose_and_a_dash_is_stdout(verb: Verb) -> None:
    words = (
        "--tag",
        "web",
        "--engine",
        "gpt-b",
        "--status",
        "passed",
        "--since",
        "7d",
        "-s",
        "nginx/001-broken-config",
    )
    status, out, err = verb("export", "last", "-o", "-", "--format", "jsonl", *words)
    assert (status, err) == (0, "")
    assert [json.loads(line)["benchmark_id"] for line in out.splitlines()] == [NEW]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-o", "runs.xlsx"), "-o runs.xlsx: which format?"),
        (("-o", "-"), "stdout has no ending"),
        (("-o", "x.csv", "--since", "soon"), "--since: 'soon' is no moment"),
        (("-o", "no/such/x.csv"), "-o no/such/x.csv: cannot be written: No such file or directory"),
        (("-o", "x.xml", "--table", "rules"), "--format junit is of runs, so --table rules has no meaning"),
        (("bmk_9", "-o", "x.csv"), "'bmk_9': there is no such benchmark"),
        (("-o", "x.csv", "-s", "nginx/001-broken-confi"), "Did you mean 'nginx/001-broken-config'?"),
        (("-o", "x.csv", "--bench-dir", "nowhere"), "nowhere/results.db: no results are here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_one_line(verb: Verb, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    status, out, err = verb("export", *words)
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x.csv").exists()
    assert not (tmp_path / "nowhere").exists()


def test_evidence_that_is_gone_is_told(verb: Verb, tmp_path: Path) -> None:
    for path in tmp_path.rglob("evidence.jsonl"):
        path.unlink()
    status, out, err = verb("export", "--table", "commands", "-o", "c.csv")
    assert (status, out) == (0, "c.csv: 0 commands.\n")
    assert err.startswith("without the commands of 5 runs, as run_aaaa: ")


def test_a_reader_that_stops_early_is_no_error(verb: Verb, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest_2501bench.cli.main", "export", "-o", "-", "--format", "jsonl"]
    read = f"{subprocess.list2cmdline(words)} --table rules | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", read], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_schema_prints_what_it_is_asked_for(verb: Verb) -> None:
    assert json.loads(verb("schema")[1])["title"] == "scenario.json"
    assert json.loads(verb("schema", "--of", "report")[1])["title"] == "report.json"
    assert "key" in json.loads(verb("schema", "--of", "runs")[1])["properties"]
    status, _, err = verb("schema", "--of", "nonsense")
    assert status == 2
    assert "nonsense" in err
