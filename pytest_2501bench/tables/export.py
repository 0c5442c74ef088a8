"""One export: which format a file gets, and writing it whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.tables.formats import STDOUT, Format, Table
from pytest_2501bench.tables.read import Reader
from pytest_2501bench.tables.records import TABLES

_OF_RUNS: Final = (Format.JUNIT, Format.OPENMETRICS, Format.GITHUB)


def export(reader: Reader, file: str, format_: Format, table: Table, *, guarded: bool = True) -> int:
    """Write what *reader* reads to *file* (``-``: stdout), whole or not at all; return how many rows or runs.

    Args:
        reader: where from.
        file: where to; replaced if it is there.
        format_: how.
        table: which rows; formats that are of runs take ``runs`` only.
        guarded: for CSV, see :func:`~pytest_2501bench.tables.text_files.write_csv`.

    Raises:
        BenchError: ``option_invalid``: table and format do not go together, or the file cannot be written;
            ``tool_missing``: pyarrow; ``database_lost``.
    """
    if format_ in _OF_RUNS and table is not Table.RUNS:
        raise BenchError(Cause.OPTION_INVALID, f"--format {format_} is of runs, so --table {table} has no meaning.")
    with _opened(file) as target:
        return _write(target, reader, format_, table, guarded=guarded)


def _write(target: BinaryIO, reader: Reader, format_: Format, table: Table, *, guarded: bool) -> int:
    row = TABLES[table]
    match format_:
        case Format.JSONL:
            from pytest_2501bench.tables.text_files import write_json_lines

            return write_json_lines(target, row, reader.rows(table))
        case Format.CSV:
            from pytest_2501bench.tables.text_files import write_csv

            return write_csv(target, row, reader.rows(table), guarded=guarded)
        case Format.PARQUET:
            from pytest_2501bench.tables.parquet import write_parquet

            return write_parquet(target, row, reader.rows(table))
        case Format.JUNIT:
            from pytest_2501bench.tables.junit import write_junit

            machines = {each.benchmark_id: each.machine for each in reader.benchmarks()}
            return write_junit(target, reader.reports(), lambda benchmark_id: machines.get(benchmark_id, "unknown"))
        case Format.OPENMETRICS:
            from pytest_2501bench.tables.openmetrics import write_openmetrics

            return write_openmetrics(target, reader.runs())
        case Format.GITHUB:
            from pytest_2501bench.tables.annotations import write_annotations

            return write_annotations(target, reader.reports())


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == STDOUT:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # whoever reads has read enough; what Python still holds must not fail at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    path = Path(file)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as target:
            yield target
        temporary.replace(path)
    except OSError as error:
        what = f"-o {file}: cannot be written: {error.strerror or error}."
        raise BenchError(Cause.OPTION_INVALID, what, remedy="Name a file in a folder that is there.") from None
    finally:
        temporary.unlink(missing_ok=True)
