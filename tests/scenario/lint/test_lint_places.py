"""Lines and columns of JSON pointers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.scenario.json_text import pointers
from pytest_2501bench.scenario.lint.places import line_and_column, offsets, place_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def at(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_each_value_is_found_where_it_stands(value: Any, indent: Any, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    found = offsets(text)

    assert set(found) == set(pointers(value))
    for pointer, offset in found.items():
        assert json.JSONDecoder().raw_decode(text, offset)[0] == at(value, pointer)


@pytest.mark.parametrize("text", ["", "{", '{"a" 1}', "[1,", '{"a": "', "\N{SNOWMAN}", '"', "[" * 100_000])
def test_what_is_no_json_has_no_places(text: str) -> None:
    assert place_of(text, offsets(text), "/a/b") == (1, 1)


def test_what_is_not_there_is_where_it_would_stand() -> None:
    text = '{\n  "a": {\n    "b": 1\n  }\n}'

    assert place_of(text, offsets(text), "/a/c/d") == (2, 8)
    assert place_of(text, offsets(text), "/a/b") == (3, 10)
    assert place_of(text, offsets(text), "") == (1, 1)


def test_lines_and_columns_begin_at_one() -> None:
    assert [line_and_column("ab\ncd", offset) for offset in (0, 1, 3, 4)] == [(1, 1), (1, 2), (2, 1), (2, 2)]
