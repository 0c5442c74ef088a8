"""Texts that a regular expression matches: made from its tree, kept only when the real matcher agrees.

The first attempts are the plainest (first alternative, fewest repetitions), since the plainest match shows best what a
pattern takes. Later ones choose by chance, with a seed, so that two looks at a pattern see the same. Fillers such as
``.*`` are drawn from what the pattern's own lookaheads ask for. That no text is found proves nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pytest_2501bench.scenario.lint.syntax_tree import REPEATS, Node, characters, dot_takes_line_breaks, tree_of, walk
from pytest_2501bench.scoring.patterns import PatternTimeoutError, search

_WANTED = 4
_TRIES = 400
_ENOUGH = 8  # tries after which one text suffices
_PREFERRED = "ax1 -/._=:;'\"\n"
_FILLERS = (" ", "", " x ", "x", "-", "/x", "; ", "\n", " x x ", "\nx ")
_BROAD = 40  # a class of so many characters stands for "anything"
_SECONDS = 0.05


@lru_cache(maxsize=4096)
def matching_texts(pattern: str) -> tuple[str, ...] | None:
    """Return up to four texts that *pattern* matches, the plainest first; None if its tree cannot be read."""
    tree = tree_of(pattern)
    if tree is None:
        return None
    # Not for secrets: the same pattern must always give the same texts.
    maker = _Maker(random.Random(pattern))  # noqa: S311
    maker.line_breaks = dot_takes_line_breaks(pattern)
    maker.wanted = tuple(
        node[1][1] for node, _, _ in walk(tree) if node[0] == "ASSERT" and node[1][0] > 0 and node[1][1]
    )
    found: set[str] = set()
    for number in range(_TRIES):
        maker.plain = number < 3
        maker.boldness = number / _TRIES
        text = maker.sequence(tree)[:4000]
        try:
            if text not in found and search(pattern, text, seconds=_SECONDS):
                found.add(text)
        except PatternTimeoutError:
            break
        if len(found) >= _WANTED or (found and number >= _ENOUGH):
            break
    return tuple(sorted(found, key=lambda text: (text.count("\n"), len(text), text)))


@dataclass
class _Maker:
    chance: random.Random
    plain: bool = True
    boldness: float = 0.0
    least: int = 0
    line_breaks: bool = False
    wanted: tuple[Sequence[Node], ...] = ()
    _groups: dict[int, str] = field(default_factory=dict)
    _depth: int = 0

    def sequence(self, nodes: Sequence[Node]) -> str:
        return "".join(self.node(node) for node in nodes)

    def node(self, node: Node) -> str:
        name, argument = node
        taken = characters(node, line_breaks=self.line_breaks)
        if taken is not None:
            return chr(argument) if name == "LITERAL" else self.one_of(taken)
        if name == "BRANCH":
            return self.sequence(argument[0] if self.plain else self.chance.choice(argument))
        if name in ("SUBPATTERN", "ATOMIC_GROUP"):
            text = self.sequence(argument[1])
            if argument[0] is not None:
                self._groups[argument[0]] = text
            return text
        if name in REPEATS:
            return self.repeat(*argument)
        if name == "GROUPREF":
            return self._groups.get(argument, "")
        if name == "ASSERT" and not self.plain and self.chance.random() < 0.5 * (argument[0] < 0):
            return self.sequence(argument[1])
        if name == "AT" and not self.plain and self.chance.random() < 0.1 + 0.3 * self.boldness:
            return self.chance.choice(" \n")
        return ""

    def one_of(self, taken: frozenset[str]) -> str:
        liked = [char for char in _PREFERRED if char in taken]
        if liked and (self.plain or self.chance.random() < 0.7):
            return liked[0] if self.plain else self.chance.choice(liked)
        return self.chance.choice(sorted(taken)) if taken else ""

    def repeat(self, low: int, high: int, body: Sequence[Node]) -> str:
        taken = characters(body[0], line_breaks=self.line_breaks) if len(body) == 1 else None
        if not self.plain and low <= 1 and high > 20 and taken is not None and len(taken) >= _BROAD:
            text = "".join(char for char in self.filler() if char in taken)
            if len(text) >= low:
                return text
        turns = min(high, max(low, self.least)) if self.plain else min(high, low + self.chance.choice((0, 0, 1, 1, 2)))
        return "".join(self.sequence(body) for _ in range(min(turns, 50)))

    def filler(self) -> str:
        if self.wanted and self._depth < 2 and self.chance.random() < 0.6:
            self._depth += 1
            try:
                text = " ".join(self.sequence(self.chance.choice(self.wanted)) for _ in self.wanted)
            finally:
                self._depth -= 1
            return self.chance.choice(("", " ")) + text + self.chance.choice(("", " "))
        return self.chance.choice(_FILLERS)


def plainest(nodes: Sequence[Node], *, least: int = 0) -> str:
    """Return the plainest text that *nodes* may take, not tried on the matcher.

    Args:
        nodes: a part of a tree.
        least: so many turns at least of each repeat.
    """
    maker = _Maker(random.Random(0))  # noqa: S311 - chooses nothing: plain
    maker.least = least
    return maker.sequence(nodes)[:500]
