"""Options by which verbs choose stored runs, and what they mean."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.options import DATABASE_FILE
from pytest_2501bench.scoring.model import Status

if TYPE_CHECKING:
    from pytest_2501bench.store.repository import Store

BenchmarkWords = Annotated[
    list[str] | None,
    typer.Argument(metavar="[BENCHMARK]…", help="last, last~1, bmk_… or the beginning of an id. Default: all."),
]
Scenarios = Annotated[
    list[str] | None, typer.Option("-s", "--scenario", metavar="KEY", help="Only this scenario; may be repeated.")
]
Statuses = Annotated[list[Status] | None, typer.Option("--status", help="Only runs with this result; may be repeated.")]


def open_results(bench_dir: Path) -> Store:
    """Open the results database that the environment names, or that of *bench_dir*, which must be there.

    Raises:
        BenchError: ``option_invalid``: no results are there; or as :meth:`Store.open`.
    """
    from pytest_2501bench.store.repository import Store

    url = os.environ.get("DATABASE_URL") or None
    if url is None and not (bench_dir / DATABASE_FILE).is_file():
        what = f"{bench_dir / DATABASE_FILE}: no results are here."
        raise BenchError(Cause.OPTION_INVALID, what, remedy="Name the folder with --bench-dir, or set DATABASE_URL.")
    return Store.open(url, bench_dir)


def at(text: str | None, option: str) -> float | None:
    """Return the moment that *text*, the value of *option*, means.

    Raises:
        BenchError: ``option_invalid``.
    """
    from pytest_2501bench.tables.moments import moment

    try:
        return None if text is None else moment(text, time.time())
    except ValueError as error:
        raise BenchError(Cause.OPTION_INVALID, f"{option}: {error}") from None
