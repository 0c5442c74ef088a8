"""Whether a regular expression provably matches no text at all.

The tree is walked with what may stand before the place and what may follow it. Both are over-estimated wherever the
exact answer would cost more: so "impossible" is a proof (over the alphabet of :mod:`.syntax_tree`, which has each kind
of character), and "possible" is none. Found are anchors and word boundaries between characters that forbid them,
lookarounds against their neighbours, empty classes, and ``(?!)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pytest_2501bench.scenario.lint.syntax_tree import (
    ALPHABET,
    REPEATS,
    Node,
    characters,
    dot_takes_line_breaks,
    tree_of,
    walk,
)

_EDGE = ""  # the text's begin, when it stands before a place; its end, when it stands behind it
_ANY = ALPHABET | {_EDGE}
_WORD = frozenset(char for char in ALPHABET if char.isalnum() or char == "_")
_OTHER = _ANY - _WORD


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the text: what may stand right before it, and what may follow."""

    before: frozenset[str] = _ANY
    after: frozenset[str] = _ANY

    def or_(self, other: _Place | None) -> _Place:
        """Return either of the two."""
        return self if other is None else _Place(self.before | other.before, self.after | other.after)


@lru_cache(maxsize=4096)
def impossible(pattern: str) -> bool:
    """Say whether no text can match *pattern*. False says nothing."""
    tree = tree_of(pattern)
    if tree is None or any(_foreign(node) for node, _, _ in walk(tree)):
        return False
    return _Walk(dot_takes_line_breaks(pattern)).sequence(tree, _Place()) is None


def _foreign(node: Node) -> bool:
    # What "a word character" leaves of the alphabet would wrongly shut it out.
    return not (characters(node, line_breaks=True) or frozenset()) <= ALPHABET


@dataclass(frozen=True, slots=True)
class _Walk:
    line_breaks: bool

    def sequence(self, nodes: Sequence[Node], place: _Place) -> _Place | None:
        """Return the place behind *nodes*, or None if they cannot match at *place*."""
        here: _Place | None = place
        for node in nodes:
            if here is None:
                return None
            here = self.node(node, here)
        return here

    def node(self, node: Node, place: _Place) -> _Place | None:
        name, argument = node
        taken = characters(node, line_breaks=self.line_breaks)
        if taken is not None:
            now = taken & place.after
            return _Place(now) if now else None
        if name == "AT":
            return _at(str(argument), place)
        if name == "FAILURE":
            return None
        if name == "BRANCH":
            return self.branch(argument, place)
        if name in ("SUBPATTERN", "ATOMIC_GROUP"):
            return self.sequence(argument[1], place)
        if name in REPEATS:
            return self.repeat(place, *argument)
        if name == "ASSERT":
            return self.asserted(place, *argument)
        if name == "ASSERT_NOT":
            return self.forbidden(place, *argument)
        return _Place()  # a reference to a group, or what a later parser has

    def branch(self, branches: Sequence[Sequence[Node]], place: _Place) -> _Place | None:
        found: _Place | None = None
        for branch in branches:
            here = self.sequence(branch, place)
            found = here.or_(found) if here is not None else found
        return found

    def repeat(self, place: _Place, low: int, high: int, body: Sequence[Node]) -> _Place | None:
        found = place if low == 0 else None
        here: _Place | None = place
        for turn in range(1, min(high, max(low, 1) + 2, 4) + 1):
            here = self.sequence(body, here) if here is not None else None
            if here is None:
                # Turns beyond the fourth are not looked at: what they would allow is unknown.
                return found
            if turn >= min(low, 4):
                found = here.or_(found)
        return found

    def asserted(self, place: _Place, direction: int, body: Sequence[Node]) -> _Place | None:
        if direction < 0:
            single = self.single(body)
            before = place.before & single if single is not None else place.before
            return _Place(before, place.after) if before else None
        if self.sequence(body, place) is None:
            return None
        first = self.first(body)
        after = place.after & first if first is not None else place.after
        return _Place(place.before, after) if after else None

    def forbidden(self, place: _Place, direction: int, body: Sequence[Node]) -> _Place | None:
        if _always(body):
            return None
        single = self.single(body)
        if single is None:
            return place
        before = place.before - single if direction < 0 else place.before
        after = place.after - single if direction > 0 else place.after
        return _Place(before, after) if before and after else None

    def single(self, body: Sequence[Node]) -> frozenset[str] | None:
        """Return the characters that *body* takes, if it takes exactly one."""
        while len(body) == 1 and body[0][0] in ("SUBPATTERN", "ATOMIC_GROUP"):
            body = body[0][1][1]
        return characters(body[0], line_breaks=self.line_breaks) if len(body) == 1 else None

    def first(self, body: Sequence[Node]) -> frozenset[str] | None:
        """Return what a match of *body* can begin with, or None if that is not to be told."""
        if not body:
            return None
        name, argument = body[0]
        if name in ("SUBPATTERN", "ATOMIC_GROUP"):
            return self.first(argument[1])
        if name in REPEATS and argument[0] > 0:
            return self.first(argument[2])
        if name == "BRANCH":
            firsts = [self.first(branch) for branch in argument]
            known = [found for found in firsts if found is not None]
            return frozenset().union(*known) if len(known) == len(firsts) else None
        return characters(body[0], line_breaks=self.line_breaks)


def _always(body: Sequence[Node]) -> bool:
    """Say whether *body* matches at every place: it can be empty, and asks for nothing."""
    return all(
        (name in REPEATS and argument[0] == 0)
        or (name in ("SUBPATTERN", "ATOMIC_GROUP") and _always(argument[1]))
        or (name == "BRANCH" and any(_always(branch) for branch in argument))
        for name, argument in body
    )


def _at(where: str, place: _Place) -> _Place | None:
    before, after = place.before, place.after
    if where == "AT_BEGINNING":
        before &= {_EDGE, "\n"}
    elif where == "AT_BEGINNING_STRING":
        before &= {_EDGE}
    elif where == "AT_END":
        after &= {_EDGE, "\n"}
    elif where == "AT_END_STRING":
        after &= {_EDGE}
    elif where in ("AT_BOUNDARY", "AT_NON_BOUNDARY"):
        same = where == "AT_NON_BOUNDARY"
        if before <= _WORD:
            after &= _WORD if same else _OTHER
        elif before <= _OTHER:
            after &= _OTHER if same else _WORD
    return _Place(before, after) if before and after else None
