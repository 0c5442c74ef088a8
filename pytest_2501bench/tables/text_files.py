"""Rows as JSON lines and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, BinaryIO, Final

from pytest_2501bench.tables.columns import columns
from pytest_2501bench.tables.moments import iso
from pytest_2501bench.tables.records import Row

# What a spreadsheet takes for the beginning of a formula, https://owasp.org/www-community/attacks/CSV_Injection.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_json_lines(target: BinaryIO, row: type[Row], rows: Iterable[Row]) -> int:
    """Write one JSON object a line, UTF-8, with every column, in their order; return how many."""
    names = [column.name for column in columns(row)]
    count = 0
    for each in rows:
        values = {name: _json(getattr(each, name)) for name in names}
        target.write(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count


def _json(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value


def write_csv(target: BinaryIO, row: type[Row], rows: Iterable[Row], *, guarded: bool = True) -> int:
    """Write RFC 4180 CSV with a head, UTF-8, lines ending in CR LF; return how many rows.

    What is not known is an empty cell; truth is ``true`` or ``false``; tags are joined by commas, objects are JSON.

    Args:
        target: where to.
        row: the class of *rows*.
        rows: what.
        guarded: put ``'`` before a text that a spreadsheet would take for a formula. Agents write such texts.
    """
    listed = columns(row)
    text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
    count = 0
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(column.name for column in listed)
        for each in rows:
            writer.writerow(_cell(getattr(each, column.name), guarded=guarded) for column in listed)
            count += 1
    finally:
        text.detach()  # the target is not ours to close
    return count


def _cell(value: Any, *, guarded: bool) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case datetime():
            return iso(value)
        case tuple():
            value = ",".join(value)
        case dict():
            value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = str(value)
    return f"'{text}" if guarded and text.startswith(_FORMULA) else text
