"""A wrong DATABASE_URL is one clear line, and a password never gets out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.store.url import parse_url

BENCH = Path("/srv/bench")
RIGHT = "Right would be postgresql://USER:PASSWORD@HOST:5432/DATABASE or sqlite:///FILE."
ENCODE = (
    "a user name or password with one of @ : / # ? in it must be percent-encoded."
    " Write %40 for @, %3A for :, %2F for /, %23 for #, %3F for ?."
)


@pytest.mark.parametrize("text", [None, "", "  "])
def test_unset_means_a_file_in_the_bench_directory(text: str | None) -> None:
    target = parse_url(text, BENCH)
    assert target.file == BENCH / "results.db"
    assert target.shown == "/srv/bench/results.db"
    assert target.source == "default"
    assert not target.postgresql


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "POSTGRESQL"])
def test_every_spelling_of_postgresql_is_the_same(scheme: str) -> None:
    target = parse_url(f"{scheme}://ada:pw@db.example:5433/bench?sslmode=require", BENCH)
    assert target.url.drivername == "postgresql+psycopg"
    assert (target.url.host, target.url.port, target.url.database) == ("db.example", 5433, "bench")
    assert target.url.password == "pw"
    assert target.shown == "postgresql://ada:***@db.example:5433/bench?sslmode=require"


def test_a_unix_socket_may_be_named() -> None:
    target = parse_url("postgresql:///bench?host=/run/postgresql", BENCH)
    assert target.url.query["host"] == "/run/postgresql"


@pytest.mark.parametrize(
    ("text", "file"),
    [("sqlite:///results.db", "results.db"), ("sqlite:////srv/x.db", "/srv/x.db"), ("sqlite+pysqlite:////x", "/x")],
)
def test_a_sqlite_file_may_be_relative_or_absolute(text: str, file: str) -> None:
    assert parse_url(text, BENCH).file == Path(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("results.db", f"not a database URL. {RIGHT}"),
        ("://x", f"not a database URL. {RIGHT}"),
        ("host=db user=ada password=hunter2", f"not a database URL. {RIGHT}"),
        ("postgres:/ada:hunter2@db/bench", f"not a database URL. {RIGHT}"),
        ("mysql://ada:hunter2@db/bench", f"'mysql' is not a kind of database that results can be stored in. {RIGHT}"),
        (
            "postgresql+asyncpg://ada:hunter2@db/bench",
            f"'postgresql+asyncpg' is not a kind of database that results can be stored in. {RIGHT}",
        ),
        ("postgresql://ada:hunter2@db:abc/bench", f"not a PostgreSQL URL; is the port a number? {RIGHT}"),
        ("postgresql://ada:hunter2@db", f"names no database. {RIGHT}"),
        ("postgresql://ada:hunter2@db/", f"names no database. {RIGHT}"),
        ("postgresql://ada:hun@ter2@db/bench", ENCODE),
        ("postgresql://ada:hunter2#@db/bench", ENCODE),
        ("postgresql://ada:hunter2/x@db/bench", ENCODE),
        ("postgresql://ada:hunter2?x@db/bench", ENCODE),
        (
            "sqlite://",
            "names no file; every process of a session must see the same results."
            " Right would be sqlite:///results.db, or sqlite:////full/path/results.db.",
        ),
        (
            "sqlite:///:memory:",
            "names no file; every process of a session must see the same results."
            " Right would be sqlite:///results.db, or sqlite:////full/path/results.db.",
        ),
    ],
)
def test_a_wrong_url_is_one_line_that_says_what_is_right(text: str, message: str) -> None:
    with pytest.raises(BenchError) as caught:
        parse_url(text, BENCH, "/srv/bench.env")
    assert str(caught.value) == f"preflight: DATABASE_URL (from /srv/bench.env): {message}"
    assert caught.value.cause is Cause.OPTION_INVALID
    assert "hunter" not in str(caught.value)


@given(st.text(alphabet="abc@:/#?%&=+ é'\"\\[]", max_size=12), st.sampled_from(["db", "db:5432", "[::1]:5432", ""]))
def test_no_password_whatever_it_is_made_of_is_ever_shown(noise: str, host: str) -> None:
    secret = f"S3CR{noise}ET99"
    assume(secret.isprintable())
    try:
        target = parse_url(f"postgresql://ada:{secret}@{host}/bench", BENCH)
    except BenchError as error:
        shown = f"{error} {error!r}"
    else:
        shown = f"{target.shown} {target!r} {target.error(Cause.OPTION_INVALID, 'x')}"
    assert "S3CR" not in shown
    assert "ET99" not in shown


def test_a_password_among_the_parameters_is_not_shown() -> None:
    target = parse_url("postgresql://db/bench?user=ada&password=hunter2&sslpassword=hunter3", BENCH)
    assert target.shown == "postgresql://db/bench?user=ada"
    assert "hunter" not in f"{target} {target!r}"
    assert target.url.query["password"] == "hunter2"
