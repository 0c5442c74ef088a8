"""The catalogue of scenarios as a Markdown page: what there is, without what the answers are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from pytest_2501bench.authoring.card import Card
from pytest_2501bench.scenario.model import Difficulty, Kind

_ABOUT: Final = """\
# Catalogue of the scenarios

Made by `2501bench list --catalogue`; do not edit. How to run some of them: [quickstart.md](quickstart.md). What the
words mean: [writing-scenarios.md](writing-scenarios.md#bench). What an agent sees of one, what is checked and which
wrong fixes are known: `2501bench explain KEY`, which holds the answers.
"""
_HEAD: Final = ("scenario", "what it is about", "kind", "difficulty", "blast radius", "minutes", "skills", "sources")


def page(cards: Sequence[Card], *, base: Path) -> str:
    """Return the page; links lead from *base*, the folder that it will be in, to the scenarios' folders."""
    parts = [_ABOUT, "\n".join(_sums(cards))]
    for category in dict.fromkeys(card.category for card in cards):
        rows = [_row(card, base) for card in cards if card.category == category]
        parts.append(f"## {category}\n\n" + "\n".join(_table(_HEAD, rows)))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _sums(cards: Sequence[Card]) -> Iterator[str]:
    yield f"{len(cards)} scenarios:\n"
    levels = [level.value for level in Difficulty]
    if any(card.difficulty is None for card in cards):
        levels.append("–")
    counted = Counter((card.kind, card.difficulty or "–") for card in cards)
    kinds = [kind.value for kind in Kind if any(card.kind == kind for card in cards)]
    rows = [[kind, *(str(counted[kind, level] or "–") for level in levels)] for kind in kinds]
    yield from _table(("kind", *levels), rows)


def _row(card: Card, base: Path) -> tuple[str, ...]:
    folder = Path(os.path.relpath(Path(card.folder).absolute(), base)).as_posix()
    sources = ", ".join(
        f"[{_text(each.title)}]({each.url})" if each.url else _text(each.title) for each in card.sources
    )
    return (
        f"[`{card.key}`]({folder}/)",
        _text(card.title),
        card.kind,
        card.difficulty or "–",
        card.blast_radius or "–",
        "–" if card.expected_minutes is None else f"{card.expected_minutes:g}",
        _text(", ".join(card.skills)) or "–",
        sources or "–",
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _text(words: str) -> str:
    """Return *words* so that Markdown shows them as they are, inside of a table or a link."""
    return "".join(f"\\{sign}" if sign in r"\`*_[]<>|" else sign for sign in " ".join(words.split()))
