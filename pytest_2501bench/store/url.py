"""From ``DATABASE_URL`` to a database that can be named to people: parsed, and without its password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.options import DATABASE_FILE

RIGHT = "Right would be postgresql://USER:PASSWORD@HOST:5432/DATABASE or sqlite:///FILE."
CONNECT_SECONDS = 5

_POSTGRESQL = {"postgres", "postgresql", "postgresql+psycopg"}
_SQLITE = {"sqlite", "sqlite+pysqlite"}


@dataclass(frozen=True, slots=True)
class Target:
    """A database that was asked for. ``repr`` and *shown* never hold the password.

    Attributes:
        url: for SQLAlchemy.
        source: where the setting came from: ``environment``, an env file's path, or ``default``.
        shown: the URL for people.
    """

    url: URL = field(repr=False)  # its own repr hides the password, but not one among the parameters
    source: str
    shown: str

    @property
    def postgresql(self) -> bool:
        """Whether it is a PostgreSQL server; else it is a SQLite file."""
        return self.url.get_backend_name() == "postgresql"

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return Path(self.url.database or "")

    @property
    def label(self) -> str:
        """The start of every message about this database."""
        return f"results database {self.file}" if self.source == "default" else f"DATABASE_URL (from {self.source})"

    def error(self, cause: Cause, what: str, remedy: str = "") -> BenchError:
        """Return the one-line error for *what* is wrong with this database, before anything runs."""
        return BenchError(cause, f"{self.label}: {what}", remedy=remedy, phase=Phase.PREFLIGHT)


def parse_url(text: str | None, bench_dir: Path, source: str = "environment") -> Target:
    """Return the database that *text* (``DATABASE_URL``) names; unset or empty: a file in *bench_dir*.

    Raises:
        BenchError: ``option_invalid``, in one line and without any part of *text* that may be a secret.
    """
    if text is None or not text.strip():
        file = bench_dir / DATABASE_FILE
        return Target(URL.create("sqlite+pysqlite", database=str(file)), "default", str(file))
    text = text.strip()
    scheme, separator, rest = text.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise _invalid(source, "not a database URL.", RIGHT)
    scheme = scheme.lower()
    if scheme in _POSTGRESQL:
        url = _postgresql(rest, source)
    elif scheme in _SQLITE:
        url = _sqlite(text, rest, source)
    else:
        raise _invalid(source, f"{scheme!r} is not a kind of database that results can be stored in.", RIGHT)
    return Target(url, source, _shown(url))


def _postgresql(rest: str, source: str) -> URL:
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    after = rest[len(authority) :]
    misplaced = "@" in after and ("@" not in authority or "@" in after.partition("?")[0])
    if authority.count("@") > 1 or misplaced or "#" in rest:
        # Parsed as it stands, a piece of the password would end up in the host's name, and so in messages.
        raise _invalid(
            source,
            "a user name or password with one of @ : / # ? in it must be percent-encoded.",
            "Write %40 for @, %3A for :, %2F for /, %23 for #, %3F for ?.",
        )
    try:
        url = make_url(f"postgresql+psycopg://{rest}")
    except (ArgumentError, ValueError):
        raise _invalid(source, "not a PostgreSQL URL; is the port a number?", RIGHT) from None
    if not url.database and "dbname" not in url.query and "service" not in url.query:
        raise _invalid(source, "names no database.", RIGHT)
    return url


def _sqlite(text: str, rest: str, source: str) -> URL:
    name = rest.partition("?")[0]
    if not name.startswith("/") or name in {"/", "/:memory:"}:
        what = "names no file; every process of a session must see the same results."
        raise _invalid(source, what, "Right would be sqlite:///results.db, or sqlite:////full/path/results.db.")
    return make_url(text).set(drivername="sqlite+pysqlite")


def _shown(url: URL) -> str:
    secret = [name for name in url.query if "pass" in name]  # libpq takes passwords as parameters, too
    hidden = url.difference_update_query(secret)
    return hidden.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def _invalid(source: str, what: str, remedy: str) -> BenchError:
    return BenchError(
        Cause.OPTION_INVALID, f"DATABASE_URL (from {source}): {what}", remedy=remedy, phase=Phase.PREFLIGHT
    )
