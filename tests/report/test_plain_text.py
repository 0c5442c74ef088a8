"""Agent-supplied text can neither steer a terminal nor hide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.report.plain import one_line, printable

ANYTHING = st.text(alphabet=st.characters(categories=None), max_size=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nginx -t", "nginx -t"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b2Jgone?", "gone?"),
        ("a\x07b\x00", "a\\x07b\\x00"),
        ("rm -rf /\r echo ok    ", "rm -rf /\\x0d echo ok    "),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b]0;never ends; rm -rf /", "\\x1b]0;never ends; rm -rf /"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("lone \ud800", "lone \\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("a\u00a0b\tc", "a b    c".replace("    ", " ", 1)),
        ("líne – 線 ✓ 👩\u200d💻", "líne – 線 ✓ 👩\u200d💻"),
        ("one\r\ntwo", "one\ntwo"),
    ],
)
def test_control_characters_are_written_out_and_colours_removed(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANYTHING)
def test_no_text_keeps_a_control_character_and_all_of_it_can_be_encoded(text: str) -> None:
    shown = printable(text)
    assert shown.replace("\n", "").replace("\u200d", "").isprintable()
    shown.encode()


@given(ANYTHING, st.integers(min_value=1, max_value=40))
def test_one_line_has_one_line_within_its_limit(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert "\n" not in shown
    assert len(shown) <= limit


def test_line_breaks_stay_visible_in_one_line() -> None:
    assert one_line("set -e\n  rm -rf /\n") == "set -e ⏎ rm -rf /"


def test_what_was_cut_is_marked() -> None:
    assert one_line("abcdef", 4) == "abc…"
