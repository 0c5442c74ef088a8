"""Strict JSON: what is wrong is told with line and column, and no key may stand twice in an object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_2501bench.scenario.problems import Problem, Step, pointer

Json = dict[str, Any]


class JsonError(Exception):
    """The text is no acceptable JSON object."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


def read_text(path: Path) -> str:
    """Return the file's text without a byte order mark.

    Raises:
        JsonError: it cannot be read or is not UTF-8.
    """
    try:
        # Windows editors write a byte order mark; it says nothing about the content.
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise JsonError(Problem("", f"cannot be read: {error.strerror or error}")) from error
    except UnicodeDecodeError as error:
        raise JsonError(
            Problem("", f"is not UTF-8 text: byte 0x{error.object[error.start]:02x} at offset {error.start}")
        ) from error


def parse_object(text: str) -> Json:
    """Return the object that *text* holds.

    Raises:
        JsonError: broken JSON, a repeated key, or something other than an object.
    """
    if not text.strip():
        raise JsonError(Problem("", "is empty; it must hold a JSON object"))
    repeated: list[tuple[Json, str]] = []

    def unique(pairs: list[tuple[str, Any]]) -> Json:
        made = dict(pairs)
        if len(made) != len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen and (made, name) not in repeated:
                    repeated.append((made, name))
                seen.add(name)
        return made

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise JsonError(Problem("", _explain(error))) from error
    except RecursionError as error:
        raise JsonError(Problem("", "is nested too deeply")) from error
    except ValueError as error:  # NaN, or a number of thousands of digits
        raise JsonError(Problem("", f"broken JSON: {error}")) from error
    if not isinstance(data, dict):
        raise JsonError(Problem("", f"must hold a JSON object, not {kind(data)}"))
    if repeated:
        places = {id(found): steps for steps, found in _objects(data, ())}
        raise JsonError(
            *(
                Problem(pointer((*places.get(id(owner), ()), name)), f"'{name}' stands twice in one object")
                for owner, name in repeated
            )
        )
    if "\\u0000" in text and (steps := _nul(data, ())) is not None:
        raise JsonError(Problem(pointer(steps), "must not contain the NUL character \\u0000"))
    return data


def kind(value: object) -> str:
    """Return what a JSON value is, in plain words with an article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"


def pointers(value: object, steps: tuple[Step, ...] = ()) -> Iterator[str]:
    """Yield the RFC 6901 pointer of *value* and of everything in it, in the order of the text."""
    yield pointer(steps)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from pointers(inner, (*steps, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from pointers(inner, (*steps, index))


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _objects(value: object, steps: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Json]]:
    if isinstance(value, dict):
        yield steps, value
        for name, inner in value.items():
            yield from _objects(inner, (*steps, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _objects(inner, (*steps, index))


def _nul(value: object, steps: tuple[Step, ...]) -> tuple[Step, ...] | None:
    if isinstance(value, str):
        return steps if "\0" in value else None
    inside: Iterator[tuple[Step, object]] = iter(())
    if isinstance(value, dict):
        if any("\0" in name for name in value):
            return steps
        inside = iter(value.items())
    elif isinstance(value, list):
        inside = iter(enumerate(value))
    return next((found for step, inner in inside if (found := _nul(inner, (*steps, step))) is not None), None)


def _explain(error: json.JSONDecodeError) -> str:
    words = error.msg[0].lower() + error.msg[1:]
    words = words.removesuffix(" at").removesuffix(" starting")  # the place has been said
    return f"line {error.lineno}, column {error.colno}: broken JSON: {words}{_hint(error)}"


def _hint(error: json.JSONDecodeError) -> str:
    here = error.doc[error.pos : error.pos + 2]
    before = error.doc[: error.pos].rstrip()
    if error.msg.startswith("Invalid \\escape"):
        return '. A backslash is written twice in JSON: the regular expression \\d is "\\\\d"'
    if error.msg.startswith("Invalid control character"):
        return ". A line break inside a string is written \\n"
    if here.startswith(("//", "#", "/*")):
        return ". JSON has no comments"
    if here.startswith("'"):
        return ". JSON strings stand in double quotes"
    if error.msg.startswith("Illegal trailing comma") or (here[:1] in "}]" and before.endswith(",")):
        return ". Remove the comma before it" if here[:1] in "}]" else ". Remove this comma"
    if not here:
        return ". The file ends too early"
    return ""
