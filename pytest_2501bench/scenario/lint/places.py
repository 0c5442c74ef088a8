"""Where in the text of a JSON file a pointer leads: line and column, for people and editors."""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]

from pytest_2501bench.scenario.problems import Step, pointer

_BLANK = re.compile(r"[ \t\r\n]*")
_ATOM = re.compile(r"[^\s,\]}]*")


def offsets(text: str) -> dict[str, int]:
    """Return the offset at which each value of *text* begins, by pointer; empty if *text* is no JSON."""
    found: dict[str, int] = {}
    try:
        _value(text, _skip(text, 0), (), found)
    except (ValueError, IndexError, RecursionError):  # told by the loader, with its place
        return {}
    return found


def place_of(text: str, found: dict[str, int], wanted: str) -> tuple[int, int]:
    """Return line and column, from 1, of *wanted* or of what it would stand in; ``(1, 1)`` if there is neither."""
    while wanted and wanted not in found:
        wanted = wanted.rpartition("/")[0]
    return line_and_column(text, found[wanted]) if wanted else (1, 1)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, of a character."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _value(text: str, at: int, steps: tuple[Step, ...], found: dict[str, int]) -> int:
    """Note the value that begins at *at*, and what is in it; return the offset behind it."""
    found[pointer(steps)] = at
    if text[at] == '"':
        return int(scanstring(text, at + 1)[1])
    if text[at] not in "{[":
        atom = _ATOM.match(text, at)
        return atom.end() if atom else at + 1
    is_object, index = text[at] == "{", 0
    at = _skip(text, at + 1)
    while text[at] not in "}]":
        step: Step = index
        if is_object:
            step, at = scanstring(text, at + 1)
            at = _skip(text, at)
            if text[at] != ":":
                raise ValueError("no colon")
            at = _skip(text, at + 1)
        at = _skip(text, _value(text, at, (*steps, step), found))
        if text[at] == ",":
            at = _skip(text, at + 1)
        index += 1
    return at + 1
