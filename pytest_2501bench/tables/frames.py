"""Rows as a pandas frame whose column types are always the same, also when it is empty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.tables.columns import Column, Kind, columns
from pytest_2501bench.tables.records import Row

if TYPE_CHECKING:
    import pandas as pd

_TYPES = {
    Kind.TEXT: "string",
    Kind.INTEGER: "Int64",
    Kind.NUMBER: "float64",
    Kind.BOOLEAN: "boolean",
    Kind.TIME: "datetime64[us, UTC]",
    Kind.WORDS: "object",
    Kind.OBJECT: "object",
}


def frame(row: type[Row], rows: Iterable[Row]) -> pd.DataFrame:
    """Return *rows*, all of class *row*, as a frame with its columns.

    Texts are ``string``, integers ``Int64``, numbers ``float64``, truth ``boolean``, times
    ``datetime64[us, UTC]``; what is not known is missing (NA, NaN or NaT). Lists and objects stay Python's.

    Raises:
        BenchError: ``tool_missing``: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise BenchError(
            Cause.TOOL_MISSING, "frames need pandas.", remedy="pip install 'pytest-2501bench[export]'"
        ) from None
    listed = list(rows)
    return pd.DataFrame({each.name: pd.Series(_values(listed, each), dtype=_TYPES[each.kind]) for each in columns(row)})


def _values(rows: Sequence[Row], column: Column) -> list[Any]:
    values = [getattr(row, column.name) for row in rows]
    return [list(value) for value in values] if column.kind is Kind.WORDS else values
