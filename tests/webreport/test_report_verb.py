"""``2501bench report`` and ``serve`` as commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.showcase import fill
from typer.testing import CliRunner

from pytest_2501bench.cli.main import app
from pytest_2501bench.store.repository import Store


def test_a_report_says_where_it_is_and_what_it_leaves_out(tmp_path: Path) -> None:
    with Store.open(None, tmp_path / "bench") as store:
        fill(store, tmp_path / "bench", days=3, iterations=1)
    arguments = ["report", "--bench-dir", str(tmp_path / "bench"), "-o", str(tmp_path / "site")]
    outcome = CliRunner().invoke(app, [*arguments, "--runs", "4"])
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.startswith(f"{tmp_path}/site/index.html: ")
    assert "older ones have none (--all-runs)." in outcome.output
    outcome = CliRunner().invoke(app, [*arguments, "--all-runs", "--compare", "last~1", "last"])
    assert "24 runs have one of their own." in outcome.output
    assert "last~1" in (tmp_path / "site/compare.html").read_text()


def test_the_report_is_in_the_bench_directory_unless_told_otherwise(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["report", "--bench-dir", str(tmp_path)])
    assert outcome.exit_code == 0, outcome.output
    assert (tmp_path / "report/index.html").is_file()


@pytest.mark.parametrize("verb", ["report", "serve"])
def test_a_folder_that_is_not_there_is_wrong_usage(tmp_path: Path, verb: str) -> None:
    outcome = CliRunner().invoke(app, [verb, "--bench-dir", str(tmp_path / "none")])
    assert outcome.exit_code == 2
    assert "no such folder" in outcome.output
    assert not (tmp_path / "none").exists()
