"""Patterns that take very long on some texts: measured with the real matcher, on texts made to trouble it.

Only repeats are tried that can go wrong badly: one inside another, alternatives inside a repeat, three open repeats in
a row. Each is fed what it takes, many times, and then what lets the match fail. A pattern counts as slow when it has no
verdict within :data:`SECONDS` twice, the second time on half the text: exponential and cubic patterns have none, linear
and quadratic ones need a hundredth of it. The matcher's own clock ends each try; no process is needed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache

from pytest_2501bench.scenario.lint.sampling import plainest
from pytest_2501bench.scenario.lint.syntax_tree import REPEATS, Node, characters, inside, tree_of, walk
from pytest_2501bench.scoring.patterns import PatternTimeoutError, search

SECONDS = 0.15
_LENGTH = 1200
_PROBE = 200  # a text of this length comes first
_SUSPECT = 0.003  # a pattern that needs no longer for it will do for any text
_OPEN = 20  # so many turns are as good as no limit
_MOST = 12  # tries per pattern
_ENDS = ("\N{SNOWMAN}", "!\n")


@lru_cache(maxsize=4096)
def slow_text(pattern: str) -> str | None:
    """Return a text of some hundred characters that *pattern* has no verdict on in time, or None."""
    tree = tree_of(pattern)
    if tree is None:
        return None
    for number, (lead, pump, end) in enumerate(_attacks(tree)):
        if number >= _MOST:
            break
        if _seconds(pattern, _attack(lead, pump, end, _PROBE)) < _SUSPECT:
            continue
        attack = _attack(lead, pump, end, _LENGTH)
        if all(_seconds(pattern, part) >= SECONDS for part in (attack, attack[len(attack) // 2 :])):
            return attack
    return None


def _attack(lead: str, pump: str, end: str, length: int) -> str:
    return lead + pump * (length // len(pump) + 1) + end


def _seconds(pattern: str, text: str) -> float:
    begin = time.perf_counter()
    try:
        search(pattern, text, seconds=SECONDS)
    except PatternTimeoutError:
        return SECONDS
    return min(time.perf_counter() - begin, SECONDS * 0.99)


def _attacks(tree: Sequence[Node]) -> Iterator[tuple[str, str, str]]:
    seen: set[tuple[str, str]] = set()
    for lead, node, following in _repeats(tree, ""):
        if not (_nested(node) or _in_a_row(node, following)):
            continue
        for pump in _pumps(node[1][2]):
            if pump and (lead, pump) not in seen:
                seen.add((lead, pump))
                for end in _ENDS:
                    yield lead, pump, end


def _repeats(nodes: Sequence[Node], lead: str) -> Iterator[tuple[str, Node, Sequence[Node]]]:
    """Yield each open repeat, a text for what stands before it, and what follows it."""
    for index, node in enumerate(nodes):
        if node[0] in REPEATS and node[1][1] >= _OPEN:
            yield lead, node, nodes[index + 1 :]
        for inner in inside(node):
            yield from _repeats(inner, lead)
        lead += plainest([node])


def _nested(node: Node) -> bool:
    body = node[1][2]
    return any(
        inner[0] == "BRANCH" or (inner[0] in REPEATS and inner[1][0] != inner[1][1]) for inner, _, _ in walk(body)
    )


def _in_a_row(node: Node, following: Sequence[Node]) -> bool:
    """Say whether two more open repeats follow at once that take the same characters."""
    row = 1
    own = _takes(node)
    for other in following:
        if other[0] in REPEATS and other[1][1] >= _OPEN and own & _takes(other):
            row += 1
        elif not (taken := characters(other, line_breaks=False)) or not taken & own:
            break
    return row >= 3


def _takes(node: Node) -> frozenset[str]:
    body = node[1][2]
    return (characters(body[0], line_breaks=False) or frozenset()) if len(body) == 1 else frozenset()


def _pumps(body: Sequence[Node]) -> Iterator[str]:
    """Yield texts that one turn of *body* takes; those of its alternatives too."""
    yield plainest(body, least=1)
    for node, _, _ in walk(body):
        if node[0] == "BRANCH":
            for branch in node[1][:4]:
                yield plainest(branch, least=1)
        elif node[0] in REPEATS:
            yield plainest(node[1][2], least=1)
