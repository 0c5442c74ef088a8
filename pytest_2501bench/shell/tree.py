"""Words of a syntax tree of bash: quotes taken away, braces expanded, and nothing else. Pure."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from pytest_2501bench.shell.words import simple_commands

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_MOST_WORDS: Final = 256
"""Words that the braces of one word are expanded to; more are left as they stand."""
_MOST_BRACES: Final = 32
_GUARDED: Final = {ord(char): 0xE010 + place for place, char in enumerate("{},.")}
_UNGUARDED: Final = {place: chr(char) for char, place in _GUARDED.items()}
_FAR: Final = re.compile("[\U00010000-\U0010ffff]")
_RANGE: Final = re.compile(r"(-?[0-9]{1,6}|[A-Za-z])\.\.(-?[0-9]{1,6}|[A-Za-z])")
_NO_WORDS: Final = frozenset({"file_redirect", "herestring_redirect", "heredoc_redirect", "comment"})


@cache
def parser() -> Parser:
    """Return the parser for bash."""
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def source(text: str) -> bytes:
    """Return *text* as the parser takes it.

    The scanner of the grammar looks characters up in tables of the C library, which end before the far ones: ``{``
    and such a character crashed the process. They are replaced.
    """
    return _FAR.sub("\ufffd", text).encode("utf-8", "replace")


def text_of(node: Node) -> str:
    """Return the source of *node*."""
    return (node.text or b"").decode("utf-8", "replace")


def all_of(root: Node, kind: str) -> list[Node]:
    """Return the nodes of a *kind* below *root*, those inside a command substitution only once."""
    found, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        if node.type == kind:
            found.append(node)
            if kind == "command_substitution":
                continue
        waiting += reversed(node.named_children)
    return found


def words_of(node: Node) -> list[str]:
    """Return the words of a command, those of assignments in front of it too; redirections are left out."""
    words: list[str] = []
    end = -1
    for child in node.children:
        if child.type in _NO_WORDS or not (child.is_named or child.type == "$"):
            continue
        if child.start_byte == end:  # the grammar parts some words, such as ''\a, that bash does not
            words[-1] += _plain(child)
        else:
            words.append(_plain(child))
        end = child.end_byte
    return [made for word in words for made in braces_expanded(word)]


def statement_words(node: Node) -> list[str]:
    """Return the words of any simple statement: a command, an assignment, a test, a declaration."""
    kind = node.type
    if kind == "redirected_statement":
        return []
    if kind == "variable_assignment":
        return word_of(node)
    if kind == "test_command":
        inner = text_of(node)
        if not inner.startswith("[") or inner.startswith("[["):
            return []
        return next((list(each.words) for each in simple_commands(inner) if each.words[:1] == ["["]), [])
    words = words_of(node)
    return [text_of(node.children[0]), *words] if kind in ("declaration_command", "unset_command") else words


def word_of(node: Node) -> list[str]:
    """Return what one word of the source becomes: one word, or several where it has braces."""
    return braces_expanded(_plain(node))


def braces_expanded(word: str) -> list[str]:
    """Return *word*, or what ``{a,b}`` and ``{1..3}`` in it make of it."""
    if word.count("{") > _MOST_BRACES:
        return [word.translate(_UNGUARDED)]
    found = list(islice(_expanded(word, 0), _MOST_WORDS + 1))
    return [each.translate(_UNGUARDED) for each in (found if len(found) <= _MOST_WORDS else [word])]


def written_by(redirect: Node) -> tuple[list[str], bool]:
    """Return the files that a redirection writes, and whether it appends."""
    signs = {child.type for child in redirect.children if not child.is_named}
    if not signs & {">", ">>", "&>", "&>>", ">|", ">&"}:
        return [], False
    files = []
    for child in redirect.named_children:
        if child.type in ("file_descriptor", "process_substitution", "ERROR"):
            continue
        word = word_of(child)[0]
        if not (">&" in signs and (word.isdigit() or word.rstrip("-").isdigit() or word == "-")):
            files.append(word)
    return files, bool(signs & {">>", "&>>"})


def _plain(node: Node) -> str:
    text = text_of(node)
    kind = node.type
    if kind == "command_name":
        return _plain(node.named_children[0]) if node.named_children else text
    if kind == "raw_string":
        return text[1:-1].translate(_GUARDED)
    if kind == "ansi_c_string":
        inner = text[2:-1].replace("\\e", "\\x1b")
        with contextlib.suppress(UnicodeError, ValueError):
            inner = codecs.decode(inner.encode("ascii"), "unicode_escape")
        return inner.translate(_GUARDED)
    if kind in ("string", "translated_string"):
        return _unescaped(text[text.index('"') + 1 : -1], '\\"$`').translate(_GUARDED)
    if kind in ("concatenation", "variable_assignment", "array") and node.named_children:
        # What stands between the parts (as in a{b}c) is kept.
        parts, at, start = [], node.start_byte, node.start_byte
        source = node.text or b""
        for child in node.children:
            parts.append(source[at - start : child.start_byte - start].decode("utf-8", "replace"))
            parts.append(_plain(child))
            at = child.end_byte
        parts.append(source[at - start :].decode("utf-8", "replace"))
        whole = "".join(parts)
        return whole if kind == "concatenation" else whole.translate(_GUARDED)
    if kind in ("word", "$"):
        return _unescaped(text, None)
    return text if kind in ("brace_expression", "number", "{", "}", ",") else text.translate(_GUARDED)


def _unescaped(text: str, only: str | None) -> str:
    out, at = [], 0
    while at < len(text):
        char = text[at]
        following = text[at + 1 : at + 2]
        if char == "\\" and following and (only is None or following in only or following == "\n"):
            out.append("" if following == "\n" else following.translate(_GUARDED))
            at += 2
        else:
            out.append(char)
            at += 1
    return "".join(out)


def _expanded(word: str, start: int) -> Iterator[str]:
    while (begin := word.find("{", start)) >= 0:
        parts, end = _parts(word, begin)
        if parts:
            head, tail = word[:begin], word[end + 1 :]
            for part in parts:
                for middle in _expanded(part, 0):
                    for behind in _expanded(tail, 0):
                        yield head + middle + behind
            return
        start = begin + 1
    yield word


def _parts(word: str, begin: int) -> tuple[list[str], int]:
    """Return the alternatives of the brace at *begin* and where it ends; none when it is no brace expansion."""
    depth, cut, parts = 0, begin + 1, []
    for at in range(begin, len(word)):
        char = word[at]
        if char == "{":
            depth += 1
        elif char == "," and depth == 1:
            parts.append(word[cut:at])
            cut = at + 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                if parts:
                    return [*parts, word[cut:at]], at
                return _range(word[cut:at]), at
    return [], begin


def _range(text: str) -> list[str]:
    match = _RANGE.fullmatch(text)
    if match is None:
        return []
    first, last = match.groups()
    if first.isalpha() != last.isalpha():
        return []
    low, high = (ord(first), ord(last)) if first.isalpha() else (int(first), int(last))
    if abs(high - low) >= _MOST_WORDS:
        return []
    numbers = range(low, high + 1) if low <= high else range(low, high - 1, -1)
    if first.isalpha():
        return [chr(number) for number in numbers]
    width = max(len(first.lstrip("-")), len(last.lstrip("-"))) if "0" in (first[0], last[0]) and len(first) > 1 else 0
    return [f"{number:0{width}d}" for number in numbers]
