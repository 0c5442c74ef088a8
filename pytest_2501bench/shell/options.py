"""How the options of a program end, so that what stands behind them is found. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How a program's own options end.

    Attributes:
        short: letters of options whose value is the next word, unless it follows at once.
        long: names of such options.
        skip: words of its own behind the options.
        never: options with which it runs no other program.
    """

    short: str = ""
    long: frozenset[str] = frozenset()
    skip: int = 0
    never: frozenset[str] = frozenset()

    def behind(self, words: list[str]) -> list[str] | None:
        """Return what follows the options and own words; None if nothing is run."""
        at = 0
        while at < len(words) and words[at].startswith("-") and words[at] != "-":
            word = words[at]
            at += 1
            if word == "--":
                break
            if word in self.never:
                return None
            if word.startswith("--"):
                at += word[2:] in self.long
            elif (place := next((n for n, c in enumerate(word[1:], 1) if c in self.short), 0)) and place == len(
                word
            ) - 1:
                at += 1
        return words[at + self.skip :]


def long(names: str) -> frozenset[str]:
    """Return the names of long options, written as one text."""
    return frozenset(names.split())
