"""``2501bench flush``: shows first, removes with --yes, says what stays, and needs to be told what to remove."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.stored import NEW, OLD, fill

from pytest_2501bench.cli import program
from pytest_2501bench.cli.main import app
from pytest_2501bench.store.flush_journal import Doomed, Journal, write_journal
from pytest_2501bench.store.protection import protect
from pytest_2501bench.store.repository import Store

Verb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench_dir(tmp_path: Path) -> Path:
    folder = tmp_path / ".2501bench"
    folder.mkdir()
    with Store.open(None, folder) as store:
        fill(store, folder)
    return folder


@pytest.fixture
def verb(bench_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    monkeypatch.chdir(bench_dir.parent)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = program.run(app, ["flush", *words], name="2501bench")
        captured = capsys.readouterr()
        return status, re.sub(r"[\d.]+ [km]?B\b", "N kB", captured.out), captured.err

    return run


def stored(bench_dir: Path) -> int:
    with Store.open(None, bench_dir) as store:
        return len(store.reports())


def test_without_yes_it_only_shows(verb: Verb, bench_dir: Path) -> None:
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 100 * 86_400))
    assert verb("--older-than", "90d") == (
        0,
        f"would go: 2 runs of {day} to {day} (UTC)\n"
        "  rows   2 runs, 8 rules, 10 phases, 1 benchmark in .2501bench/results.db\n"
        "  files  8, N kB in .2501bench\n"
        "nothing was removed; the same with --yes does it.\n",
        "",
    )
    assert stored(bench_dir) == 5
    assert len(list(bench_dir.glob("runs/*/*/report.json"))) == 5


def test_with_yes_it_removes_and_says_what_the_file_keeps(verb: Verb, bench_dir: Path) -> None:
    status, out, _ = verb(OLD, "--yes")
    assert status == 0
    assert "gone: 2 runs, 1 benchmark." in out
    assert stored(bench_dir) == 3
    assert [path.name for path in (bench_dir / "runs").iterdir()] == [NEW]
    assert "N kB given back" in verb("--all", "--yes", "--vacuum")[1]
    assert verb("--all") == (0, "nothing to flush.\n", "")


def test_what_stays_is_named_and_is_exit_status_1(verb: Verb, bench_dir: Path) -> None:
    with Store.open(None, bench_dir) as store:
        protect(store, ["run_bbbb"], "ada@bench-01", time.time(), "0" * 64)
    assert verb(OLD)[0] == 0
    status, out, _ = verb(OLD, "--yes")
    assert status == 1
    assert "stay: 1 run\n  run_bbbb nginx/001-broken-config run1: an audit protects it\n" in out
    assert stored(bench_dir) == 4


def test_it_must_be_told_which_runs(verb: Verb, bench_dir: Path) -> None:
    status, out, err = verb("--yes")
    assert (status, out) == (2, "")
    assert err.startswith("2501bench: which runs?")
    assert stored(bench_dir) == 5


def test_one_that_was_cut_off_is_finished_first(verb: Verb, bench_dir: Path) -> None:
    with Store.open(None, bench_dir) as store:
        run = Doomed(run_id="run_aaaa", folder=store.reports()[0].evidence)
        write_journal(bench_dir, Journal(database="results.db", runs=(run,)))
    assert verb("--status", "failed")[1].startswith("an earlier flush was cut off; with --yes the rest of it goes")
    status, out, _ = verb("--status", "failed", "--yes")
    assert status == 0
    assert out.startswith("an earlier flush was cut off; the rest of it is gone now")
    assert stored(bench_dir) == 3
    assert len(list(bench_dir.glob("runs/*/*/report.json"))) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--older-than", "old"), "--older-than: 'old' is no moment"),
        (("bmk_nope",), "'bmk_nope': there is no such benchmark"),
        (("--all", "--bench-dir", "nowhere"), "no results are here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_one_line(verb: Verb, words: tuple[str, ...], told: str) -> None:
    status, _, err = verb(*words)
    assert status == 2
    assert told in err
    assert err.count("\n") == 1
