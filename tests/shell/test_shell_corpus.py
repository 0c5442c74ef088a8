"""Command lines from practice, and what bash runs of them (tests/shell_corpus/)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.shell.parse import Ran, parse

LINES = Path(__file__).parents[1] / "shell_corpus" / "lines.jsonl"
CORPUS: list[tuple[str, str, list[Any]]] = [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()]


def written(ran: Ran) -> list[str]:
    """Return *ran* as the corpus writes it."""
    words = [f"\\{word}" if word.startswith(">") else word for word in ran.words]
    words += [f"{'>>' if file in ran.appends else '>'}{file}" for file in ran.writes]
    words[0] = f"{'~' if ran.inner else ''}{'@' if ran.as_root else ''}{words[0]}"
    return words


@pytest.mark.parametrize(("line", "expected"), [(line, expected) for _, line, expected in CORPUS])
def test_a_line_is_taken_apart_as_bash_would(line: str, expected: list[Any]) -> None:
    assert [written(ran) for ran in parse(line, 0)] == [
        each.split(" ") if isinstance(each, str) else each for each in expected
    ]


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    assert len({line for _, line, _ in CORPUS}) >= 300
    assert len(CORPUS) == len({line for _, line, _ in CORPUS})
