"""Where a script may end before its last command, and with which exit statuses. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_2501bench.shell.tree import all_of, words_of

if TYPE_CHECKING:
    from tree_sitter import Node

_LEAVES: Final = frozenset({"exit", "return"})


def ends_script(node: Node) -> bool:
    """Tell whether the script ends with this statement."""
    if node.type == "command":
        return next(iter(words_of(node)), "") in _LEAVES
    if node.type in ("compound_statement", "list"):
        named = [child for child in node.named_children if child.type != "comment"]
        if node.type == "list" and any(child.type == "||" for child in node.children):
            return False
        return bool(named) and ends_script(named[-1])
    return node.type == "redirected_statement" and bool(node.named_children) and ends_script(node.named_children[0])


@dataclass(frozen=True, slots=True)
class Leaving:
    """Whether a script may end early, and with which statuses: None if they are not known."""

    may: bool = False
    statuses: frozenset[int] | None = frozenset()

    def joined(self, other: Leaving) -> Leaving:
        """Return what holds for a script that goes through both."""
        known = None if self.statuses is None or other.statuses is None else self.statuses | other.statuses
        return Leaving(self.may or other.may, known)

    def agrees(self, known: int) -> bool:
        """Tell whether a script that ended with *known* cannot have ended early."""
        return not self.may or (self.statuses is not None and known not in self.statuses)


NEVER: Final = Leaving()


def leaving_of(node: Node) -> Leaving:
    """Return how the script may end amid *node*."""
    found = NEVER
    if b"exit" in (node.text or b"") or b"return" in (node.text or b""):
        for command in all_of(node, "command"):
            words = words_of(command)
            if words and words[0] in _LEAVES:
                literal = len(words) == 2 and words[1].isdigit()
                found = found.joined(Leaving(may=True, statuses=frozenset({int(words[1]) % 256}) if literal else None))
    return found


def is_strict(text: str) -> bool:
    """Tell whether a statement is ``set -e``: from there on the first failure ends the script."""
    return re.match(r"set -(?:[a-zA-Z]*e|o errexit)", text) is not None
