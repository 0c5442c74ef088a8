"""What a column of a table is: name, kind, unit and meaning, taken from the annotations of its row's class."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class Kind(StrEnum):
    """What stands in a column. Each format's own type for it is in :data:`JSON_TYPES` and in the writers."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"  # in UTC, to the microsecond
    WORDS = "list of texts"
    OBJECT = "JSON object"


@dataclass(frozen=True, slots=True)
class About:
    """Metadata of a row's field: one line that says what it is, its unit, and the only values it can have."""

    meaning: str
    unit: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column. *optional*: a row may have nothing in it, which is neither 0 nor empty."""

    name: str
    kind: Kind
    optional: bool
    meaning: str
    unit: str = ""
    choices: tuple[str, ...] = ()


_KINDS: Final[Mapping[Any, Kind]] = {
    str: Kind.TEXT,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    bool: Kind.BOOLEAN,
    datetime: Kind.TIME,
    tuple[str, ...]: Kind.WORDS,
    dict[str, Any]: Kind.OBJECT,
}

JSON_TYPES: Final[Mapping[Kind, Mapping[str, Any]]] = {
    Kind.TEXT: {"type": "string"},
    Kind.INTEGER: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.TIME: {"type": "string", "format": "date-time"},
    Kind.WORDS: {"type": "array", "items": {"type": "string"}},
    Kind.OBJECT: {"type": "object"},
}


def columns(row: type[Any]) -> tuple[Column, ...]:
    """Return the columns of *row*, a dataclass whose fields are annotated with :class:`About`, in their order."""
    hints = typing.get_type_hints(row, include_extras=True)
    return tuple(_column(field.name, hints[field.name]) for field in fields(row))


def _column(name: str, hint: Any) -> Column:
    told: About = hint.__metadata__[0]
    held = hint.__origin__
    optional = type(None) in typing.get_args(held)
    if optional:
        (held,) = (part for part in typing.get_args(held) if part is not type(None))
    return Column(name, _KINDS[held], optional, told.meaning, told.unit, told.choices)
