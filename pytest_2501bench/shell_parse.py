"""What a shell would run, by the grammar of bash: each simple command, and what the line's status says of it. Pure.

Parsing is tree-sitter's (grammar tree-sitter-bash), which gives a tree for any text. Nothing is run or expanded: what
variables hold, what aliases mean and what a script does that is called by its name cannot be seen.
"""

from __future__ import annotations

import codecs
import contextlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_2501bench.shell_words import MAX_LOOKED_AT, SHELLS, inline_script, simple_commands, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_DEEPEST: Final = 6
_MOST: Final = 2000
"""Simple commands of one line that are looked at."""

_FIND_RUNS: Final = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_XARGS_WITH_VALUE: Final = frozenset("aEIdLnPs")
_SYSTEMD_RUN_WITH_VALUE: Final = frozenset("pHMEu")
_NESTED: Final = 120
"""Levels of a tree that are followed; deeper ones are gone through without regard to exit statuses."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One simple command.

    Attributes:
        words: without quotes, and without sudo, env, assignments and the like in front.
        writes: files that its output goes to.
        status: its exit status, as far as that of the line tells it; else None.
        after: places (in the returned tuple) of commands that must have succeeded, or this one had not run.
        inner: what it holds is in the list too (``sh -c '…'``, ``xargs``, ``eval``); by itself it does nothing.
        as_root: by sudo, doas or su.
    """

    words: tuple[str, ...]
    writes: tuple[str, ...] = ()
    status: int | None = None
    after: frozenset[int] = frozenset()
    inner: bool = False
    as_root: bool = False

    @property
    def program(self) -> str:
        """The program's name without its folder."""
        return PurePosixPath(self.words[0]).name if self.words else ""

    @property
    def text(self) -> str:
        """Program, words and redirections, one blank between them: what a command pattern is matched against."""
        return " ".join((self.program, *self.words[1:], *(f">{file}" for file in self.writes)))


def parse(line: str, status: int | None = None) -> tuple[Ran, ...]:
    """Return the simple commands of *line* in the order in which they stand there; *status* is the line's.

    What the line's exit status says: that of ``a`` in ``a``; of all in ``a && b`` when it is 0; of the last in
    ``a; b`` and in ``a | b``; nothing of what stands in a loop, a condition or a substitution.
    """
    walk = _Walk([], 0, as_root=False)
    walk.script(line[:MAX_LOOKED_AT], status, frozenset())
    return tuple(walk.found)


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


Places = frozenset[int]
_NOTHING: Final[Places] = frozenset()


@dataclass(slots=True)
class _Walk:
    """Goes through one script; each way returns the commands that have succeeded if what it went through has."""

    found: list[Ran]
    depth: int
    as_root: bool
    last: int = 0  # where the command is that was gone through last

    def script(self, text: str, status: int | None, before: Places) -> Places:
        start = len(self.found)
        root = _parser().parse(text.encode("utf-8", "replace")).root_node
        done = self.node(root, status, before, 0)
        if len(self.found) == start and text.strip() and not text.lstrip().startswith("#"):
            # No command, or nothing that the grammar knows: as words, rather than unseen.
            for each in simple_commands(text):
                if each.bare:
                    self.found.append(Ran(tuple(each.bare), tuple(each.targets), as_root=self.as_root))
        return done

    def node(self, node: Node, known: int | None, before: Places, level: int) -> Places:
        if len(self.found) >= _MOST:
            return _NOTHING
        if level > _NESTED:
            return self._flat(node)
        kind = node.type
        if kind == "command":
            return self._command(node, (), None, known, before, level)
        if kind == "redirected_statement":
            return self._redirected(node, known, before, level)
        named = [child for child in node.named_children if child.type != "comment"]
        if kind == "list" and len(named) == 2:
            left, right = named
            if any(child.type == "&&" for child in node.children):
                zero = 0 if known == 0 else None
                first = self.node(left, zero, before, level + 1)
                return first | self.node(right, zero, before | first, level + 1)
            self.node(left, None, before, level + 1)
            self.node(right, known or None, before, level + 1)
            return _NOTHING
        if kind in ("program", "subshell", "compound_statement", "pipeline"):
            done = _NOTHING
            for child in named:
                follower = child.next_sibling
                behind = follower is not None and follower.type == "&"
                last = child.id == named[-1].id and not behind
                done = self.node(child, known if last else None, before, level + 1)
                done = done if last else _NOTHING
            return done
        for child in named:
            self.node(child, None, before, level + 1)
        return _NOTHING

    def _flat(self, top: Node) -> Places:
        waiting = [top]
        while waiting and len(self.found) < _MOST:
            node = waiting.pop()
            if node.type == "command":
                self.found.append(Ran(tuple(unwrapped(_words(node))), as_root=self.as_root))
            waiting += reversed(node.named_children)
        return _NOTHING

    def _redirected(self, node: Node, known: int | None, before: Places, level: int) -> Places:
        writes, script, body = [], None, None
        for child in node.named_children:
            if child.type == "file_redirect":
                writes += _written(child)
            elif child.type == "heredoc_redirect":
                script = next((_text(part) for part in child.named_children if part.type == "heredoc_body"), None)
                for part in child.named_children:  # cmd <<EOF | other
                    if part.type in ("pipeline", "command", "list", "redirected_statement"):
                        self.node(part, None, before, level + 1)
            elif body is None:
                body = child
        if body is None:
            return _NOTHING
        if body.type == "command":
            return self._command(body, tuple(writes), script, known, before, level)
        if body.type not in ("list", "pipeline"):  # a group, a loop: none of its commands writes there by itself
            if writes:
                self.found.append(Ran((":",), tuple(writes)))
            return self.node(body, known, before, level + 1)
        done = self.node(body, known, before, level + 1)
        if writes and self.last < len(self.found):
            last = self.found[self.last]
            self.found[self.last] = replace(last, writes=(*last.writes, *writes))
        return done

    def _command(  # noqa: PLR0917 - all of one way through the tree
        self, node: Node, writes: tuple[str, ...], heredoc: str | None, known: int | None, before: Places, level: int
    ) -> Places:
        raw = _words(node)
        words = unwrapped(raw)
        writes += tuple(
            file for child in node.named_children if child.type == "file_redirect" for file in _written(child)
        )
        as_root = self.as_root or _is_root(raw)
        place = len(self.found)
        done: Places = frozenset({place})
        if words or writes:
            self.found.append(Ran(tuple(words), writes, known, before, as_root=as_root))
            held = _held(words, heredoc) if self.depth < _DEEPEST else None
            if held is not None:
                self.found[place] = Ran(tuple(words), writes, known, before, inner=True, as_root=as_root)
                inside = _Walk(self.found, self.depth + 1, as_root=as_root or words[0] == "su")
                text, own = held
                done |= inside.script(text, known if own else None, before)
        for child in node.named_children:
            self._substitutions(child, level + 1)
        self.last = place
        return done

    def _substitutions(self, node: Node, level: int) -> None:
        if node.type in ("command_substitution", "process_substitution"):
            for child in node.named_children:
                self.node(child, None, _NOTHING, level + 1)
        elif level <= _NESTED:
            for child in node.named_children:
                self._substitutions(child, level + 1)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _words(node: Node) -> list[str]:
    words: list[str] = []
    for child in node.named_children:
        if child.type == "command_name":
            words.append(_word(child.named_children[0]) if child.named_children else _text(child))
        elif child.type not in ("file_redirect", "herestring_redirect", "heredoc_redirect", "comment"):
            words.append(_word(child))
    return words


def _word(node: Node) -> str:
    """Return what is left of a word when its quotes are taken away; what would be expanded stays as it is."""
    text = _text(node)
    if node.type == "raw_string":
        return text[1:-1]
    if node.type == "ansi_c_string":
        inner = text[2:-1]
        with contextlib.suppress(UnicodeError, ValueError):
            return codecs.decode(inner.encode("ascii"), "unicode_escape")
        return inner
    if node.type in ("string", "translated_string"):
        return _unescaped(text[text.index('"') + 1 : -1], '\\"$`')
    if node.type in ("concatenation", "variable_assignment") and node.named_children:
        # What stands between the parts (as in a{b}c) is kept.
        parts, at, start = [], node.start_byte, node.start_byte
        source = node.text or b""
        for child in node.children:
            parts.append(source[at - start : child.start_byte - start].decode("utf-8", "replace"))
            parts.append(_word(child))
            at = child.end_byte
        parts.append(source[at - start :].decode("utf-8", "replace"))
        return "".join(parts)
    return _unescaped(text, None) if node.type == "word" else text


def _unescaped(text: str, only: str | None) -> str:
    out, at = [], 0
    while at < len(text):
        char = text[at]
        following = text[at + 1 : at + 2]
        if char == "\\" and following and (only is None or following in only or following == "\n"):
            out.append("" if following == "\n" else following)
            at += 2
        else:
            out.append(char)
            at += 1
    return "".join(out)


def _written(redirect: Node) -> list[str]:
    signs = {child.type for child in redirect.children if not child.is_named}
    if not signs & {">", ">>", "&>", "&>>", ">|"}:
        return []
    return [_word(child) for child in redirect.named_children if child.type != "file_descriptor"]


def _is_root(words: list[str]) -> bool:
    front = words[: len(words) - len(unwrapped(words))]
    return any(PurePosixPath(word).name in {"sudo", "doas"} for word in front)


def _held(words: list[str], heredoc: str | None) -> tuple[str, bool] | None:
    """Return the script that a command runs and whether its exit status is the script's; None if it runs none."""
    if not words:
        return None
    program, rest = PurePosixPath(words[0]).name, words[1:]
    script = inline_script(words)
    if script is not None:
        return script, True
    if heredoc is not None and program in SHELLS and not [word for word in rest if not word.startswith("-")]:
        return heredoc, True
    if program == "eval":
        return " ".join(rest), True
    if program == "su":
        at = next((n for n, word in enumerate(rest) if word in ("-c", "--command")), None)
        return (rest[at + 1], True) if at is not None and at + 1 < len(rest) else None
    inner: list[str] = []
    own = True
    if program == "find":
        at = next((n for n, word in enumerate(rest) if word in _FIND_RUNS), None)
        inner = [] if at is None else _until(rest[at + 1 :], (";", "+"))
        own = False
    elif program == "xargs":
        inner, own = _after(rest, _XARGS_WITH_VALUE), False
    elif program == "systemd-run":
        inner, own = _after(rest, _SYSTEMD_RUN_WITH_VALUE), False
    elif program == "watch":
        inner, own = _after(rest, frozenset("n")), False
    elif program in {"chroot", "flock"}:
        inner = _after(rest, frozenset("wE"))[1:]
        if inner[:1] == ["-c"] and len(inner) > 1:
            return inner[1], True
    elif program in {"nsenter", "unshare", "runuser"}:
        if program == "runuser" and "-c" in rest[:-1]:
            return rest[rest.index("-c") + 1], True
        inner = _after(rest, frozenset("tuSGrw"))
    if not inner:
        return None
    import shlex

    return shlex.join(inner), own


def _after(words: list[str], with_value: frozenset[str]) -> list[str]:
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word = words[at]
        at += 1
        if word == "--":
            break
        if not word.startswith("--") and len(word) == 2 and word[1] in with_value:
            at += 1
    return words[at:]


def _until(words: list[str], ends: tuple[str, ...]) -> list[str]:
    at = next((n for n, word in enumerate(words) if word in ends), len(words))
    return words[:at]
