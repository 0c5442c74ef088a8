"""The same benchmark stored in PostgreSQL and in SQLite gives the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.benchmark import benchmark
from support.postgres import PostgresServer

from pytest_2501bench.store.repository import Store, dump_rows
from pytest_2501bench.store.sync import sync

pytestmark = [pytest.mark.namespace, pytest.mark.postgres]


def _rows(url: str | None, bench_dir: Path) -> dict[str, list[dict[str, Any]]]:
    with Store.open(url, bench_dir) as store:
        return dump_rows(store)


def test_a_benchmark_gives_equal_rows_in_both_databases(tmp_path: Path) -> None:
    with PostgresServer() as server:
        url = server.url(server.new_database())
        finished = benchmark(
            "scenarios/nginx/001-broken-config", "--iter", "2", bench_dir=tmp_path, env={"DATABASE_URL": url}
        )
        assert finished.status == 0, finished.output
        in_postgres = _rows(url, tmp_path)

    # The same evidence, imported into an empty SQLite file.
    with Store.open(None, tmp_path) as store:
        assert len(sync(tmp_path, store).imported) == 2
        in_sqlite = dump_rows(store)

    assert in_sqlite == in_postgres
    assert len(in_postgres["scenario_reports"]) == 2
    assert not in_postgres["hosts"], "hosts made for a run are removed after it"
    assert not in_postgres["agents"]
