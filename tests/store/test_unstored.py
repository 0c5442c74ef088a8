"""Benchmarks whose results may not all be in the database are noted, and brought in by the next session."""

from __future__ import annotations

import json
from pathlib import Path

from support.records import benchmark, write_run

from pytest_2501bench.evidence.folder import benchmark_dir, run_dir, write_benchmark
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.unstored import FOLDER, clear, import_left, mark


def killed_session(bench_dir: Path) -> None:
    """Leave a benchmark with one run on disk, none in the database, and an owner that is gone."""
    write_benchmark(bench_dir, benchmark())
    run = run_dir(bench_dir, "bmk_1", "nginx/001", 1)
    write_run(run)
    for owner in (run / "owner.json", benchmark_dir(bench_dir, "bmk_1") / "owner.json"):
        if owner.exists():
            owner.write_text(json.dumps(json.loads(owner.read_text()) | {"started": "long ago"}))
    mark(bench_dir, "bmk_1")


def test_what_a_killed_session_noted_is_stored_once_and_the_note_is_gone(store: Store, tmp_path: Path) -> None:
    killed_session(tmp_path)
    assert len(import_left(tmp_path, store, {})) == 1
    assert len(store.reports()) == 1
    assert not list((tmp_path / FOLDER).iterdir())
    assert import_left(tmp_path, store, {}) == ()


def test_what_is_not_noted_is_not_looked_for(store: Store, tmp_path: Path) -> None:
    killed_session(tmp_path)
    clear(tmp_path, "bmk_1")
    assert import_left(tmp_path, store, {}) == ()
    assert store.reports() == ()


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    mark(tmp_path, "bmk_1")
    clear(tmp_path, "bmk_1")
