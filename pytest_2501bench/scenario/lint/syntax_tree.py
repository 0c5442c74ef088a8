r"""The parse tree of a regular expression, and its character classes over a small alphabet.

The tree is that of the standard library's parser, which the ``regex`` library's version 0 follows. What only ``regex``
knows (``\p{L}``, fuzzy matching, recursion …) has no tree, and then nothing is said about the pattern.
"""

from __future__ import annotations

import string
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

Node = tuple[str, Any]
"""An operation's name in upper case and its argument, as the parser has it."""

PRINTABLE = frozenset(string.ascii_letters + string.digits + string.punctuation + " ")
# One character at least of each kind that a class can tell apart; a class of others adds its own bounds.
ALPHABET = PRINTABLE | frozenset("\n\t\r\x00\x7f\x85é\u0660\u2028\N{SNOWMAN}\U0001f4a5")
_CATEGORIES: Mapping[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda char: char.isalnum() or char == "_",
}
REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})


@lru_cache(maxsize=4096)
def tree_of(pattern: str) -> tuple[Node, ...] | None:
    """Return *pattern* as nodes, or None if it cannot be told."""
    try:
        from re import _parser  # type: ignore[attr-defined]
    except ImportError:  # an implementation without it
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "possible nested set": regex reads it as we do
        try:
            return tuple(_nodes(_parser.parse(pattern, 0)))
        except Exception:  # noqa: BLE001 - the parser is private and may raise what it likes
            return None


def dot_takes_line_breaks(pattern: str) -> bool:
    """Say whether ``.`` may match a line break somewhere in *pattern*; true in doubt."""
    return "(?" in pattern and any("s" in part.split(")")[0].split(":")[0] for part in pattern.split("(?")[1:])


def _nodes(items: Any) -> Iterator[Node]:
    for operation, argument in items:
        name = str(operation)
        if name in REPEATS:
            low, high, body = argument
            yield name, (int(low), int(high), tuple(_nodes(body)))
        elif name == "BRANCH":
            yield name, tuple(tuple(_nodes(branch)) for branch in argument[1])
        elif name == "SUBPATTERN":
            yield name, (argument[0], tuple(_nodes(argument[3])))
        elif name == "ATOMIC_GROUP":
            yield name, (None, tuple(_nodes(argument)))
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield name, (argument[0], tuple(_nodes(argument[1])))
        elif name == "GROUPREF_EXISTS":
            yield "BRANCH", (tuple(_nodes(argument[1])), tuple(_nodes(argument[2] or ())))
        else:
            yield name, argument


def walk(nodes: Sequence[Node]) -> Iterator[tuple[Node, Sequence[Node], int]]:
    """Yield every node with the sequence that it stands in and its place there, outer ones first."""
    for index, node in enumerate(nodes):
        yield node, nodes, index
        for inner in inside(node):
            yield from walk(inner)


def inside(node: Node) -> tuple[tuple[Node, ...], ...]:
    """Return the sequences that *node* holds."""
    name, argument = node
    if name in REPEATS:
        return (argument[2],)
    if name == "BRANCH":
        return tuple(argument)
    if name in ("SUBPATTERN", "ATOMIC_GROUP", "ASSERT", "ASSERT_NOT"):
        return (argument[1],)
    return ()


def characters(node: Node, *, line_breaks: bool) -> frozenset[str] | None:
    """Return what a node that takes one character takes, in both cases; None for any other node.

    Args:
        node: of the tree.
        line_breaks: whether ``.`` takes one.
    """
    name, argument = node
    if name == "LITERAL":
        return _cases(chr(argument))
    if name == "NOT_LITERAL":
        return ALPHABET - _cases(chr(argument))
    if name == "ANY":
        return ALPHABET if line_breaks else ALPHABET - {"\n"}
    return _class(tuple((str(what), value) for what, value in argument)) if name == "IN" else None


def _cases(char: str) -> frozenset[str]:
    return frozenset({char, char.lower(), char.upper()})


@lru_cache(maxsize=2048)
def _class(items: tuple[tuple[str, Any], ...]) -> frozenset[str]:
    taken: set[str] = set()
    others: set[str] = set()  # bounds outside of the alphabet, so that no class is empty by our choice of it
    negated = False
    for what, value in items:
        if what == "NEGATE":
            negated = True
        elif what == "LITERAL":
            taken |= _cases(chr(value))
        elif what == "RANGE":
            low, high = value
            taken |= {char for char in ALPHABET if low <= ord(char) <= high}
            taken |= {
                char for char in PRINTABLE if low <= ord(char.lower()) <= high or low <= ord(char.upper()) <= high
            }
            taken |= {chr(low), chr(high)}
            if high < 0x10FFFF and low > 0:
                others.add(chr(high + 1))
        elif what == "CATEGORY":
            name = str(value)
            test = _CATEGORIES[name.replace("_NOT_", "_")]
            taken |= {char for char in ALPHABET if test(char) != ("_NOT_" in name)}
    return frozenset((ALPHABET | others) - taken) if negated else frozenset(taken)
