"""Rows as Apache Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.tables.columns import Column, Kind, columns
from pytest_2501bench.tables.records import Row

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE: Final = 10_000


def write_parquet(target: BinaryIO, row: type[Row], rows: Iterable[Row]) -> int:
    """Write *rows* with typed columns, in groups, so that memory stays small; return how many.

    Times are ``timestamp[us, UTC]``, tags ``list<string>``, objects JSON text. Unit and meaning of each column are in
    its metadata.

    Raises:
        BenchError: ``tool_missing``: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise BenchError(
            Cause.TOOL_MISSING, "Parquet needs pyarrow.", remedy="pip install 'pytest-2501bench[export]'"
        ) from None
    listed = columns(row)
    schema = pa.schema([_field(pa, column) for column in listed])
    count = 0
    source = iter(rows)
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        while some := list(islice(source, _AT_ONCE)):
            writer.write_table(pa.table([_values(some, column) for column in listed], schema=schema))
            count += len(some)
    return count


def _field(pa: Any, column: Column) -> pa.Field:
    types = {
        Kind.TEXT: pa.string(),
        Kind.INTEGER: pa.int64(),
        Kind.NUMBER: pa.float64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.TIME: pa.timestamp("us", tz="UTC"),
        Kind.WORDS: pa.list_(pa.string()),
        Kind.OBJECT: pa.string(),
    }
    told = {"meaning": column.meaning} | ({"unit": column.unit} if column.unit else {})
    return pa.field(column.name, types[column.kind], nullable=column.optional, metadata=told)


def _values(rows: Sequence[Row], column: Column) -> list[Any]:
    values = [getattr(row, column.name) for row in rows]
    if column.kind is Kind.OBJECT:
        return [json.dumps(value, ensure_ascii=False, sort_keys=True) for value in values]
    return values
