"""Opening a database: what is wrong with it is one line, before anything runs."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.postgres import PASSWORD, PostgresServer
from support.records import benchmark, report

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.store.repository import Store


def refusal(url: str | None, bench_dir: Path) -> BenchError:
    """Open the store, which must fail in one line without the password."""
    with pytest.raises(BenchError) as caught:
        Store.open(url, bench_dir)
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    return caught.value


def test_without_a_url_results_go_to_a_file_in_the_bench_directory(tmp_path: Path) -> None:
    with Store.open(None, tmp_path / "new" / ".2501bench") as store:
        store.save_benchmark(benchmark())
        assert store.target.shown == str(tmp_path / "new" / ".2501bench" / "results.db")
    with sqlite3.connect(tmp_path / "new" / ".2501bench" / "results.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT id FROM benchmarks").fetchall() == [("bmk_1",)]
    connection.close()


def test_a_file_in_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    error = refusal(f"sqlite:///{tmp_path}/typo/results.db", tmp_path)
    assert str(error) == (
        f"preflight: DATABASE_URL (from environment): {tmp_path}/typo: No such file or directory."
        " Results need a folder that exists and that this user may write in."
    )
    assert error.cause is Cause.DATABASE_UNREACHABLE
    assert not (tmp_path / "typo").exists()


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "results.db").write_text("my notes, " * 100)
    error = refusal(None, tmp_path)
    assert str(error) == (
        f"preflight: results database {tmp_path}/results.db: {tmp_path}/results.db: file is not a database."
        " Another kind of file has this name: choose another one."
    )
    assert (tmp_path / "results.db").read_text() == "my notes, " * 100


def test_a_directory_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "results.db").mkdir()
    assert "unable to open database file. Is its folder there" in str(refusal(None, tmp_path))


def test_tables_of_others_in_the_same_file_are_not_touched(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "results.db")
    connection.execute("CREATE TABLE users (name TEXT)")
    connection.execute("INSERT INTO users VALUES ('ada')")
    connection.commit()
    error = refusal(None, tmp_path)
    assert "This file holds tables that are not ours: give results a file of their own." in str(error)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
    assert names == ["users"]
    assert connection.execute("SELECT * FROM users").fetchall() == [("ada",)]
    connection.close()


def test_tables_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    Store.open(None, tmp_path).close()
    connection = sqlite3.connect(tmp_path / "results.db")
    connection.execute("UPDATE bench2501_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    error = refusal(None, tmp_path)
    assert "its tables are of a newer version of this plugin (revision 9999, known up to 0003)." in str(error)


def test_a_missing_driver_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path\n"
        "from pytest_2501bench.errors import BenchError\n"
        "from pytest_2501bench.store.repository import Store\n"
        "try: Store.open('postgresql://ada:hunter2@db/bench', Path(sys.argv[1]))\n"
        "except BenchError as error: print(error.cause, error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.startswith(
        "tool_missing preflight: DATABASE_URL (from environment): PostgreSQL needs psycopg, which cannot be imported ("
    )
    assert output.endswith("). pip install 'psycopg[binary]'\n")
    assert "hunter2" not in output


def test_the_store_itself_imports_neither_alembic_nor_a_driver() -> None:
    code = (
        "import sys, pytest_2501bench.store.repository, pytest_2501bench.store.sync\n"
        "print([name for name in ('alembic', 'psycopg', 'ansible_runner', 'pytest') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "[]\n"


def test_no_server_is_said_with_host_and_port(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]  # bound, but nobody listens
        error = refusal(f"postgresql://bench:{PASSWORD}@127.0.0.1:{port}/bench", tmp_path)
    assert str(error) == (
        f"preflight: DATABASE_URL (from environment): 127.0.0.1, port {port}: Connection refused."
        f" Start the server, or correct the URL: postgresql://bench:***@127.0.0.1:{port}/bench"
    )
    assert error.cause is Cause.DATABASE_UNREACHABLE
    assert not (tmp_path / "results.db").exists(), "never a silent fallback"


def test_a_server_that_does_not_answer_is_given_up_after_seconds(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()  # accepts, and says nothing
        begin = time.monotonic()
        error = refusal(f"postgresql://bench@127.0.0.1:{sock.getsockname()[1]}/bench", tmp_path)
        assert time.monotonic() - begin < 12
    assert "timeout expired" in str(error)


def test_an_unknown_host_is_said(tmp_path: Path) -> None:
    error = refusal(f"postgresql://bench:{PASSWORD}@nowhere.invalid/bench", tmp_path)
    assert str(error).startswith("preflight: DATABASE_URL (from environment): nowhere.invalid, port 5432: ")
    assert "resolve" in str(error)


@pytest.mark.postgres
class TestServer:
    """What a real server refuses."""

    def test_a_wrong_password(self, postgres_server: PostgresServer, tmp_path: Path) -> None:
        url = postgres_server.url("postgres", password="hunter2")
        error = refusal(url, tmp_path)
        assert str(error) == (
            f"preflight: DATABASE_URL (from environment): 127.0.0.1, port {postgres_server.port}:"
            ' password authentication failed for user "bench". Correct user and password in the URL.'
        )

    def test_no_password(self, postgres_server: PostgresServer, tmp_path: Path) -> None:
        error = refusal(f"postgresql://bench@127.0.0.1:{postgres_server.port}/postgres", tmp_path)
        assert "no password supplied. Correct user and password in the URL." in str(error)

    def test_a_database_that_does_not_exist(self, postgres_server: PostgresServer, tmp_path: Path) -> None:
        error = refusal(postgres_server.url("benhc"), tmp_path)
        assert str(error) == (
            f"preflight: DATABASE_URL (from environment): 127.0.0.1, port {postgres_server.port}:"
            ' database "benhc" does not exist. Create it: CREATE DATABASE "benhc"; or correct the URL.'
        )

    def test_a_user_without_rights(self, postgres_server: PostgresServer, tmp_path: Path) -> None:
        database = postgres_server.new_database()
        postgres_server.execute(f"CREATE ROLE {database}_guest LOGIN PASSWORD '{PASSWORD}'")
        error = refusal(postgres_server.url(database, user=f"{database}_guest"), tmp_path)
        assert f"permission denied for database {database}" in str(error)
        assert f'GRANT CREATE ON DATABASE "{database}" TO' in str(error)

    def test_a_user_whose_schema_was_made_for_him_needs_no_more_rights(
        self, postgres_server: PostgresServer, tmp_path: Path
    ) -> None:
        database = postgres_server.new_database()
        postgres_server.execute(f"CREATE ROLE {database}_owner LOGIN PASSWORD '{PASSWORD}'")
        postgres_server.execute(f"CREATE SCHEMA bench2501 AUTHORIZATION {database}_owner", database)
        with Store.open(postgres_server.url(database, user=f"{database}_owner"), tmp_path) as store:
            store.save_benchmark(benchmark())
            assert store.benchmark("bmk_1") == benchmark()

    def test_a_unix_socket_works_too(self, postgres_server: PostgresServer, tmp_path: Path) -> None:
        database = postgres_server.new_database()
        address = f"host={postgres_server.directory}&port={postgres_server.port}&user=admin"
        with Store.open(f"postgresql:///{database}?{address}", tmp_path) as store:
            assert store.benchmarks() == ()

    def test_a_database_lost_during_the_run_and_back_again(self, tmp_path: Path) -> None:
        with PostgresServer() as server, Store.open(server.url(server.new_database()), tmp_path) as store:
            store.save_benchmark(benchmark())
            server.stop()
            with pytest.raises(BenchError) as caught:
                store.save_report(report())
            assert caught.value.cause is Cause.DATABASE_LOST
            assert str(caught.value).startswith("DATABASE_URL (from environment): lost during the run: ")
            assert str(caught.value).endswith("`2501bench sync` imports it when the database is back.")
            assert "\n" not in str(caught.value)
            server.start()
            store.save_report(report())
            assert store.reports() == (report(),)
