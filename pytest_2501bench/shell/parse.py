"""What a shell would run, by the grammar of bash: each simple command, and what the line's status says of it. Pure.

Parsing is tree-sitter's (grammar tree-sitter-bash), which gives a tree for any text. Nothing is run or expanded but
braces: what variables hold, what aliases mean and what a script does that is called by its name cannot be seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_2501bench.shell.held import FOUND, Held, held, reads_script
from pytest_2501bench.shell.heredocs import Heredoc, heredoc_of, without_heredocs
from pytest_2501bench.shell.leaving import NEVER, ends_script, is_strict, leaving_of
from pytest_2501bench.shell.printed import printed
from pytest_2501bench.shell.ran import Ran
from pytest_2501bench.shell.tree import (
    all_of,
    braces_expanded,
    parser,
    source,
    statement_words,
    text_of,
    word_of,
    words_of,
    written_by,
)
from pytest_2501bench.shell.words import MAX_LOOKED_AT, simple_commands
from pytest_2501bench.shell.wrappers import AS_ROOT, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Ran", "parse"]

_DEEPEST: Final = 6
_MOST: Final = 2000
"""Simple commands of one line that are looked at."""
_NESTED: Final = 120
"""Levels of a tree that are followed; deeper ones are gone through without regard to exit statuses."""
_NOWHERE: Final = re.compile(r"/dev/(?:null|stdout|stderr|tty|fd/[0-9]+)")


def parse(line: str, status: int | None = None) -> tuple[Ran, ...]:
    """Return the simple commands of *line* in the order in which they run; *status* is the line's.

    What the line's exit status says: that of ``a`` in ``a``; of all in ``a && b`` when it is 0; of the last in
    ``a; b`` and in ``a | b``; nothing of what stands in a loop, a condition or a substitution.
    """
    found: list[Ran] = []
    _Walk(found).script(line[:MAX_LOOKED_AT], status, _NONE)
    return tuple(found)


Places = frozenset[int]
_NONE: Final[Places] = frozenset()
_SEQUENCES: Final = frozenset({"program", "subshell", "compound_statement", "do_group", "else_clause"})


@dataclass(slots=True)
class _Walk:
    """Goes through one script; each way returns the commands that have succeeded if what it went through has."""

    found: list[Ran]
    depth: int = 0
    as_root: bool = False
    bodies: tuple[Heredoc, ...] = ()
    last: int | None = None  # place of the command that was gone through last
    given: str | None = None  # what the next command reads, where that is known
    said: str | None = None  # what the last command prints, where that is known
    functions: set[str] = field(default_factory=set)

    def script(self, text: str, status: int | None, before: Places) -> Places:
        plain, self.bodies = without_heredocs(text)
        root = parser().parse(source(plain)).root_node
        if root.has_error:
            return self._by_words(text, status)
        self.functions = {
            text_of(name) for node in all_of(root, "function_definition") if (name := node.child_by_field_name("name"))
        }
        return self.node(root, status, before, 0)

    def _by_words(self, text: str, status: int | None) -> Places:
        """Take a script apart that is not in the grammar: no shell would run all of it, so statuses say nothing."""
        simple = [each for each in simple_commands(text) if each.words or each.targets]
        for each in simple:
            words = [made for word in each.words for made in braces_expanded(word)]
            writes = [file for file in each.targets if not _NOWHERE.fullmatch(file)]
            self._add(words, writes, [], status if len(simple) == 1 else None, _NONE, None)
        return _NONE

    def node(self, node: Node, known: int | None, before: Places, level: int) -> Places:
        if len(self.found) >= _MOST:
            return _NONE
        if level > _NESTED:
            return self._flat(node)
        kind = node.type
        if kind in _SEQUENCES:
            return self._sequence(node, known, before, level)
        if kind in ("command", "declaration_command", "unset_command", "test_command", "variable_assignment"):
            return self._command(node, [node], known, before, level)
        if kind == "redirected_statement":
            return self._redirected(node, known, before, level)
        if kind == "negated_command":
            self._each(node, 0 if known == 1 else None, before, level)
            return _NONE
        if kind == "list":
            return self._list(node, known, before, level)
        if kind == "pipeline":
            return self._pipeline(node, known, before, level)
        if kind in ("if_statement", "elif_clause"):
            return self._condition(node, before, level)
        self._each(node, None, before, level)
        return _NONE

    def _each(self, node: Node, known: int | None, before: Places, level: int) -> None:
        for child in node.named_children:
            self.node(child, known, before, level + 1)

    def _sequence(self, node: Node, known: int | None, before: Places, level: int) -> Places:
        named = [child for child in node.named_children if child.type != "comment"]
        strict = trapped = left = False
        leaving = NEVER
        done = _NONE
        for place, child in enumerate(named):
            background = child.next_sibling is not None and child.next_sibling.type == "&"
            simple = child.type in ("command", "redirected_statement", "pipeline", "declaration_command")
            if background or left or (known is not None and not leaving.agrees(known)) or (strict and known != 0):
                own = None
            elif place == len(named) - 1:
                own = known
            else:
                own = 0 if strict and not trapped and simple and known == 0 else None
            done = self.node(child, own, before, level + 1)
            text = text_of(child)
            strict = node.type == "program" and (is_strict(text) or (strict and not text.startswith("set +")))
            trapped = trapped or text.startswith("trap")
            left = left or ends_script(child)
            leaving = leaving.joined(leaving_of(child))
            if strict and simple and not background and not trapped:
                before |= done
            else:
                before |= self._guarded(child, done)
            done = _NONE if background else done
        return done

    def _guarded(self, node: Node, done: Places) -> Places:
        """Return what must have succeeded for the script to go on: ``nginx -t || exit 1``."""
        named = node.named_children
        if node.type == "list" and len(named) == 2 and "||" in {child.type for child in node.children}:
            return done if ends_script(named[1]) else _NONE
        return done if node.type == "if_statement" else _NONE

    def _list(self, node: Node, known: int | None, before: Places, level: int) -> Places:
        left, right = [child for child in node.named_children if child.type != "comment"][:2]
        if any(child.type == "&&" for child in node.children):
            first = self.node(left, 0 if known == 0 else None, before, level + 1)
            return first | self.node(right, 0 if known == 0 else None, before | first, level + 1)
        first = self.node(left, None, before, level + 1)
        self.node(right, known if known and leaving_of(left).agrees(known) else None, before, level + 1)
        return first if ends_script(right) else _NONE

    def _pipeline(self, node: Node, known: int | None, before: Places, level: int) -> Places:
        named = [child for child in node.named_children if child.type != "comment"]
        if named and named[0].type == "negated_command" and len(named) > 1:
            known = 0 if known == 1 else None  # `! a | b` turns the status of the whole round
        done = _NONE
        for place, child in enumerate(named):
            self.given = self.said if place else None
            self.said = None
            is_last = place == len(named) - 1
            done = self.node(child, known if is_last else None, before, level + 1)
        self.given = None
        return done if named and named[0].type != "negated_command" else _NONE

    def _condition(self, node: Node, before: Places, level: int) -> Places:
        inside, condition, leaves, holds, fails = False, True, False, _NONE, _NONE
        for child in node.children:
            if child.type == "then":
                condition, inside = False, True
            elif not child.is_named or child.type == "comment":
                continue
            elif condition:
                holds = self.node(child, None, before, level + 1)
                if child.type == "negated_command" and self.last is not None:
                    fails = frozenset({self.last})
            elif child.type in ("elif_clause", "else_clause"):
                self.node(child, None, before | fails, level + 1)
                leaves = leaves and child.type == "else_clause"
            elif inside:
                self.node(child, None, before | holds, level + 1)
                leaves = ends_script(child)
        return fails if leaves else _NONE  # `if ! nginx -t; then exit 1; fi`

    def _flat(self, top: Node) -> Places:
        waiting = [top]
        while waiting and len(self.found) < _MOST:
            node = waiting.pop()
            if node.type == "command":
                self.found.append(Ran(tuple(unwrapped(words_of(node))), as_root=self.as_root))
            waiting += reversed(node.named_children)
        return _NONE

    def _redirected(self, node: Node, known: int | None, before: Places, level: int) -> Places:
        body = next((child for child in node.named_children if not child.type.endswith("_redirect")), None)
        if body is None or body.type in ("command", "declaration_command", "variable_assignment"):
            return self._command(
                node if body is None else body, [node, *([body] if body else [])], known, before, level
            )
        writes, appends, _ = self._redirections([node], level)
        if body.type not in ("list", "pipeline"):  # a group, a loop: none of its commands writes there by itself
            if writes:
                self._add([":"], writes, appends, None, before, None)
            return self.node(body, known, before, level + 1)
        done = self.node(body, known, before, level + 1)
        if writes and self.last is not None:
            last = self.found[self.last]
            self.found[self.last] = replace(last, writes=(*last.writes, *writes), appends=(*last.appends, *appends))
        return done

    def _redirections(self, nodes: list[Node], level: int) -> tuple[list[str], list[str], str | None]:
        writes: list[str] = []
        appends: list[str] = []
        given = None
        for child in (child for node in nodes for child in node.named_children):
            if child.type == "file_redirect":
                files, more = written_by(child)
                files = [file for file in files if not _NOWHERE.fullmatch(file)]
                writes += files
                appends += files if more else []
                heredoc = None if files else self._heredoc(child)
                given = given if heredoc is None else heredoc.body
            elif child.type == "herestring_redirect" and child.named_children:
                given = " ".join(word_of(child.named_children[-1]))
            else:
                continue
            self._substitutions(child, level + 1)
        return writes, appends, given

    def _heredoc(self, redirect: Node) -> Heredoc | None:
        words = [word for child in redirect.named_children for word in word_of(child)]
        heredoc = heredoc_of(words[-1], self.bodies) if words else None
        if heredoc is not None and heredoc.expands and self.depth < _DEEPEST:
            self._expanded_in(heredoc.body)
        return heredoc

    def _expanded_in(self, body: str) -> None:
        """Find what ``$(…)`` in the body of a heredoc runs: as in a quoted word."""
        quoted = ': "' + body.replace('"', r"\"") + '"'
        for node in all_of(parser().parse(source(quoted)).root_node, "command_substitution"):
            _Walk(self.found, self.depth + 1, self.as_root)._each(node, None, _NONE, 1)

    def _command(self, node: Node, redirecting: list[Node], known: int | None, before: Places, level: int) -> Places:
        reads, self.given = self.given, None
        writes, appends, given = self._redirections(redirecting if node in redirecting else [*redirecting, node], level)
        words = statement_words(node)
        for child in node.named_children:
            if not child.type.endswith("_redirect"):
                self._substitutions(child, level + 1)
        return self._add(words, writes, appends, known, before, reads if given is None else given)

    def _add(  # noqa: PLR0917 - all of one command
        self,
        raw: list[str],
        writes: list[str],
        appends: list[str],
        known: int | None,
        before: Places,
        given: str | None,
    ) -> Places:
        words = unwrapped(raw)
        if given is not None and given.endswith(FOUND) and words[:1] != ["xargs"]:
            self.said, given = printed(words, given), None  # paths from a find: no text that is known
        else:
            self.said = printed(words, given)
        if not words and not writes:
            return _NONE
        place = len(self.found)
        done: Places = frozenset({place})
        front = raw[: len(raw) - len(words)] if words else raw
        as_root = self.as_root or any(PurePosixPath(word).name in AS_ROOT for word in front)
        scripts: tuple[Held, ...] = ()
        if words and words[0] in self.functions:
            # The function runs, not a program of that name.
            words, inner = [f"{words[0]}()", *words[1:]], True
        else:
            scripts = held(words, given if reads_script(words) else None) if self.depth < _DEEPEST else ()
            inner = bool(scripts) and all(script.is_all for script in scripts)
        self.found.append(
            Ran(tuple(words), tuple(writes), tuple(appends), given, known, before, inner=inner, as_root=as_root)
        )
        for script in scripts:
            done |= self._inside(script, known, before, as_root=as_root or words[0] == "su")
        self.last = place
        return done

    def _inside(self, script: Held, known: int | None, before: Places, *, as_root: bool) -> Places:
        walk = _Walk(self.found, self.depth + 1, as_root)
        done = walk.script(script.script, known if script.own_status else None, before)
        return done if script.own_status else _NONE

    def _substitutions(self, node: Node, level: int) -> None:
        if level > _NESTED:
            self._flat(node)
        elif node.type in ("command_substitution", "process_substitution"):
            reads, said = self.given, self.said
            self._each(node, None, _NONE, level)
            self.given, self.said = reads, said
        else:
            for child in node.named_children:
                self._substitutions(child, level + 1)
