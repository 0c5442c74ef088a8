"""Encoded queries: ``active=true^stateIN1,2^ORDERBYDESCsys_created_on``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Row = Mapping[str, str]

_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "ISNOTEMPTY": lambda value, _: value != "",
    "ISEMPTY": lambda value, _: value == "",
    "STARTSWITH": lambda value, other: value.lower().startswith(other.lower()),
    "ENDSWITH": lambda value, other: value.lower().endswith(other.lower()),
    "NOT LIKE": lambda value, other: other.lower() not in value.lower(),
    "NOT IN": lambda value, other: value not in other.split(","),
    "LIKE": lambda value, other: other.lower() in value.lower(),
    "IN": lambda value, other: value in other.split(","),
    "!=": lambda value, other: value != other,
    ">=": lambda value, other: value >= other,
    "<=": lambda value, other: value <= other,
    "=": lambda value, other: value == other,
    ">": lambda value, other: value > other,
    "<": lambda value, other: value < other,
}
_CONDITION = re.compile(rf"^([a-z_]+)({'|'.join(map(re.escape, _OPERATORS))})(.*)$", re.DOTALL)


def matching(rows: list[Row], query: str, fields: frozenset[str]) -> list[Row]:
    """Return the rows that match, in the order asked for. A part that is invalid is ignored, as documented."""
    alternatives: list[list[list[tuple[str, str, str]]]] = []
    order: list[tuple[str, bool]] = []
    for alternative in query.split("^NQ"):
        groups: list[list[tuple[str, str, str]]] = []
        for part in alternative.split("^"):
            if part.startswith("ORDERBY"):
                down = part.startswith("ORDERBYDESC")
                name = part.removeprefix("ORDERBYDESC" if down else "ORDERBY")
                if name in fields:
                    order.append((name, down))
                continue
            wants_other = part.startswith("OR") and bool(groups)
            found = _CONDITION.match(part[2:] if wants_other else part)
            if found is None or found[1] not in fields:
                continue
            condition = (found[1], found[2], found[3])
            if wants_other:
                groups[-1].append(condition)
            else:
                groups.append([condition])
        alternatives.append(groups)
    chosen = [row for row in rows if any(_holds(row, groups) for groups in alternatives)]
    for name, down in reversed(order):
        chosen.sort(key=lambda row: row.get(name, ""), reverse=down)
    return chosen


def _holds(row: Row, groups: list[list[tuple[str, str, str]]]) -> bool:
    return all(any(_OPERATORS[op](row.get(name, ""), value) for name, op, value in group) for group in groups)
