"""Heredocs taken out of a script before its grammar is looked at: each ``<<EOF`` becomes ``<`` and a mark. Pure.

Bodies are text, not commands, and what stands behind ``<<EOF`` on its line (``| sh``, ``> file``, ``&& next``) is as if
they were not there. The grammar mixes both up in some places, for example when a line ends with ``<<EOF |``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MARK: Final = "\ue000heredoc{}\ue001"
_MARKED: Final = re.compile("\ue000heredoc([0-9]+)\ue001")
_OPERATOR: Final = re.compile(r"<<(-?)[ \t]*((?:[^\s|&;<>()'\"\\$`]|\\.|'[^'\n]*'|\"[^\"\n]*\")+)")
_WORD_ENDS: Final = frozenset(" \t\n;&|()")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """One body; *expands* when its delimiter is not quoted, so that ``$(…)`` in it runs."""

    body: str
    expands: bool


def without_heredocs(text: str) -> tuple[str, tuple[Heredoc, ...]]:
    """Return *text* with a mark in place of each heredoc, and the bodies; lines that go on are joined."""
    if "<<" not in text and "\\\n" not in text:
        return text, ()
    return _Reader(text).read()


def heredoc_of(word: str, bodies: tuple[Heredoc, ...]) -> Heredoc | None:
    """Return the body that *word* is the mark of, else None."""
    match = _MARKED.fullmatch(word)
    return bodies[number] if match and (number := int(match[1])) < len(bodies) else None


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.out: list[str] = []
        self.waiting: list[tuple[int, str, bool]] = []  # place among the bodies, delimiter, with tabs in front
        self.bodies: list[Heredoc] = []

    def read(self) -> tuple[str, tuple[Heredoc, ...]]:
        text = self.text
        before = "\n"
        closers: list[str] = []  # of "…", $(…), $((…)) that are open, innermost last
        while self.at < len(text):
            char, rest = text[self.at], text[self.at : self.at + 3]
            quoted = bool(closers) and closers[-1] == '"'
            step = 1
            if rest.startswith("\\\n"):  # the line goes on, even in the middle of a word
                self.at += 2
                continue
            if char == "\\":
                step = 2
            elif closers and rest.startswith(closers[-1]):
                step = len(closers.pop())
            elif rest == "$((":
                closers.append("))")
                step = 3
            elif rest.startswith("$("):
                closers.append(")")
                step = 2
            elif char == '"':
                closers.append('"')
            elif quoted:
                pass
            elif char == "'":
                end = text.find("'", self.at + 1)
                step = (len(text) if end < 0 else end + 1) - self.at
            elif rest.startswith("((") and before in _WORD_ENDS:
                closers.append("))")
                step = 2
            elif char == "(":
                closers.append(")")
            elif char == "#" and before in _WORD_ENDS:
                end = text.find("\n", self.at)
                step = (len(text) if end < 0 else end) - self.at
            elif rest == "<<<":
                step = 3
            elif rest.startswith("<<") and closers[-1:] != ["))"] and self._operator():
                before = " "
                continue
            elif char == "\n" and self.waiting:
                self.out.append("\n")
                self.at += 1
                self._take_bodies()
                before = "\n"
                continue
            self.out.append(text[self.at : self.at + step])
            before = char if step == 1 else "x"
            self.at += step
        self._take_bodies()
        return "".join(self.out), tuple(self.bodies)

    def _operator(self) -> bool:
        match = _OPERATOR.match(self.text, self.at)
        if match is None:
            return False
        word = match[2]
        delimiter = re.sub(r"\\(.)|['\"]", r"\1", word)
        self.waiting.append((len(self.bodies), delimiter, bool(match[1])))
        self.bodies.append(Heredoc("", expands=delimiter == word))
        self.out.append(f"<{_MARK.format(len(self.bodies) - 1)}")
        self.at = match.end()
        return True

    def _take_bodies(self) -> None:
        for place, delimiter, tabs in self.waiting:
            lines: list[str] = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = end + 1
                line = line.lstrip("\t") if tabs else line
                if line == delimiter:
                    break
                lines.append(line)
            self.bodies[place] = Heredoc("".join(f"{line}\n" for line in lines), self.bodies[place].expands)
        self.waiting.clear()
