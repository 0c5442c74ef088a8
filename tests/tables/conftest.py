"""A store of each kind, filled with a session of every kind of run, and their evidence on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import PostgresServer
from support.stored import fill

from pytest_2501bench.store.repository import Store


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def bench_dir(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all tests, which only read."""
    return tmp_path_factory.mktemp(kind)


@pytest.fixture(scope="session")
def database(kind: str, bench_dir: Path, request: pytest.FixtureRequest) -> str | None:
    """DATABASE_URL of a database that is filled; None: the file in the bench directory."""
    url: str | None = None
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.url(server.new_database())
    with Store.open(url, bench_dir) as store:
        fill(store, bench_dir)
    return url
