"""A small benchmark on disk and in a database: one to read, and copies to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.audited import HOSTILE, SCRIPTS, Shelf, write
from support.records import START, benchmark

from pytest_2501bench.evidence.folder import runs_in, write_benchmark
from pytest_2501bench.store.repository import Store


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """The benchmark; for reading only."""
    shelf = Shelf(tmp_path_factory.mktemp("audited"))
    write_benchmark(shelf.bench_dir, benchmark(agent="llm"))
    write(shelf.bench_dir, 1, "nginx -t", "cat /etc/nginx/nginx.conf | head", "put nginx.conf", SCRIPTS, HOSTILE)
    write(shelf.bench_dir, 2, "rm /var/log/nginx/error.log", "nginx -t")
    write_benchmark(shelf.bench_dir, benchmark(agent="llm", finished_at=START + 30, user="ada", org_id="org_1"))
    with Store.open(None, shelf.bench_dir) as store:
        for folder in runs_in(shelf.bench_dir):
            store.import_run(folder.path)
    return shelf


@pytest.fixture
def shelf(
    original: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shelf:
    """A copy of the benchmark that a test may spoil; the command line works in its folder."""
    shutil.copytree(original.bench_dir, tmp_path / "bench")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DIR", str(tmp_path / "bench"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return Shelf(tmp_path, capsys)
