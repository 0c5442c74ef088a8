"""Selection by key or tag, comma-separated and freely mixed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.scenario.problems import nearest

_LISTED = 12  # keys and tags shown when nothing is near


def select(
    scenarios: Iterable[tuple[str, Sequence[str]]], wanted: str, *, option: str = "--scenarios"
) -> frozenset[str]:
    """Return the keys of the scenarios that *wanted* means.

    Args:
        scenarios: pairs of key and tags.
        wanted: keys and tags separated by commas; blanks around them and empty entries do not matter.
        option: how messages name the source of *wanted*.

    Raises:
        BenchError: ``option_invalid``: no word at all, or words that match nothing, one line each.
    """
    by_word: dict[str, set[str]] = {}
    for key, tags in scenarios:
        for word in (key, *tags):
            by_word.setdefault(word, set()).add(key)
    words = list(dict.fromkeys(word for part in wanted.split(",") if (word := part.strip())))
    if not words:
        raise BenchError(Cause.OPTION_INVALID, f"{option}: '{wanted}' names no key and no tag")
    if unknown := [word for word in words if word not in by_word]:
        raise BenchError(
            Cause.OPTION_INVALID,
            "\n".join(f"{option}: '{word}' matches no key and no tag. {_advice(word, by_word)}" for word in unknown),
        )
    return frozenset().union(*(by_word[word] for word in words))


def _advice(word: str, by_word: dict[str, set[str]]) -> str:
    if near := nearest(word, by_word):
        return "Did you mean " + " or ".join(f"'{hit}'" for hit in near) + "?"
    if not by_word:
        return "There is no scenario."
    # The widest words first: tags, which many scenarios share, say more than single keys.
    ranked = sorted(by_word, key=lambda known: (-len(by_word[known]), known))
    more = f", … ({len(ranked) - _LISTED} more)" if len(ranked) > _LISTED else ""
    return f"There are: {', '.join(ranked[:_LISTED])}{more}."
