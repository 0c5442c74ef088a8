"""A command line taken apart into simple commands, as a shell would, without running or expanding anything. Pure.

Best effort: quotes, pipes, lists, subshells, substitutions, redirections, heredocs and ``sh -c '…'`` are understood;
what variables hold and what aliases mean is not. No text makes it fail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pytest_2501bench.shell.wrappers import unwrapped

MAX_LOOKED_AT = 32_768
"""Characters of a command line that are taken apart."""

SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"})
INTERPRETERS = SHELLS | {"python", "python3", "perl", "ruby", "node", "php", "lua"}

_DEEPEST = 6
_KEYWORDS = frozenset({"{", "}", "!", "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "time"})
_BLANK = " \t\r"


@dataclass(eq=False, slots=True)
class SimpleCommand:
    """One program and its arguments."""

    words: list[str] = field(default_factory=list)
    piped: bool = False  # its input is the output of the one before
    background: bool = False
    heredoc: bool = False
    targets: list[str] = field(default_factory=list)  # files that output is redirected to
    inside: SimpleCommand | None = None  # whose $(…), `…`, <(…) or -c it stands in

    @property
    def bare(self) -> list[str]:
        """The words without assignments and without sudo, env, nohup and the like in front."""
        return unwrapped(self.words)

    @property
    def program(self) -> str:
        """The program's name without its folder."""
        return PurePosixPath(self.bare[0]).name if self.bare else ""


def simple_commands(text: str) -> tuple[SimpleCommand, ...]:
    """Return the simple commands of *text*, in the order in which they begin, those of ``sh -c '…'`` included."""
    return tuple(_parsed(text[:MAX_LOOKED_AT], None, 0))


def inline_script(words: list[str]) -> str | None:
    """Return the text after ``-c`` of a shell, else None."""
    bare = unwrapped(words)
    if not bare or PurePosixPath(bare[0]).name not in SHELLS:
        return None
    for position, word in enumerate(bare[1:-1], 1):
        if not word.startswith("-"):
            return None
        if not word.startswith("--") and word.endswith("c"):
            return bare[position + 1]
    return None


def _parsed(text: str, inside: SimpleCommand | None, depth: int) -> list[SimpleCommand]:
    scanner = _Scanner(text, depth)
    scanner.run("", inside)
    found: list[SimpleCommand] = []
    for command in scanner.found:
        found.append(command)
        script = inline_script(command.words)
        # What a substitution gives is not known; what stands in it was found already.
        if script is not None and not script.startswith("$(") and depth < _DEEPEST:
            found += _parsed(script, command, depth + 1)
    return found


class _Scanner:
    """Goes through one text, character by character."""

    def __init__(self, text: str, depth: int) -> None:
        self.text = text
        self.at = 0
        self.depth = depth
        self.found: list[SimpleCommand] = []
        self.heredocs: list[tuple[str, SimpleCommand]] = []

    def run(self, end: str, inside: SimpleCommand | None) -> None:
        """Take commands up to the character *end*, or to the end of the text."""
        piece = _Piece(self, inside)
        while self.at < len(self.text):
            char = self.text[self.at]
            two = self.text[self.at : self.at + 2]
            self.at += 1
            if char == end and end:
                break
            if char == "\\":
                following = self.text[self.at : self.at + 1]
                self.at += 1
                if following != "\n":
                    piece.add(following)
            elif char == "'":
                piece.add(self._until("'"))
            elif char == '"':
                self._quoted(piece)
            elif two in {"$(", "<(", ">("}:
                self.at += 1
                self._nested(")", piece)
            elif char == "`":
                self._nested("`", piece)
            elif char == "#" and piece.word is None:
                self.at = len(self.text) if (stop := self.text.find("\n", self.at)) < 0 else stop
            elif char in "<>":
                self._redirection(char, piece)
            elif char in "|&;()\n":
                self._operator(char, two, piece)
            elif char in _BLANK:
                piece.end_word()
            else:
                piece.add(char)
        piece.end_command()

    def _until(self, stop: str) -> str:
        end = self.text.find(stop, self.at)
        end = len(self.text) if end < 0 else end
        taken = self.text[self.at : end]
        self.at = end + 1
        return taken

    def _quoted(self, piece: _Piece) -> None:
        piece.add("")
        while self.at < len(self.text):
            char = self.text[self.at]
            two = self.text[self.at : self.at + 2]
            self.at += 1
            if char == '"':
                return
            if char == "\\" and two[1:] in {'"', "\\", "$", "`", "\n"}:
                self.at += 1
                piece.add(two[1:])
            elif two == "$(":
                self.at += 1
                self._nested(")", piece)
            elif char == "`":
                self._nested("`", piece)
            else:
                piece.add(char)

    def _nested(self, end: str, piece: _Piece) -> None:
        begin = self.at
        if self.depth >= _DEEPEST:
            piece.add(self._until(end))
            return
        self.depth += 1
        self.run(end, piece.command)
        self.depth -= 1
        closed = self.text[self.at - 1 : self.at] == end
        piece.add(f"$({self.text[begin : max(self.at - closed, begin)]})")

    def _redirection(self, char: str, piece: _Piece) -> None:
        sign = char
        while self.at < len(self.text) and self.text[self.at] in "<>&|" and len(sign) < 3:
            if self.text[self.at : self.at + 2] in {"<(", ">("}:
                break
            sign += self.text[self.at]
            self.at += 1
        piece.redirect(sign)

    def _operator(self, char: str, two: str, piece: _Piece) -> None:
        if two == "&>":
            self.at += 1
            piece.end_word()
            piece.redirect(">")
            return
        if char == "(":
            piece.end_command()
            if self.depth < _DEEPEST:
                self.depth += 1
                self.run(")", piece.inside)
                self.depth -= 1
            return
        if two in {"&&", "||", ";;", "|&"}:
            self.at += 1
        piece.end_command(background=char == "&" and two != "&&")
        piece.command.piped = char == "|" and two != "||"
        if char == "\n":
            self._bodies()

    def _bodies(self) -> None:
        """Pass over the bodies of heredocs; one that is fed to a shell is commands."""
        for delimiter, command in self.heredocs:
            lines: list[str] = []
            while self.at < len(self.text):
                line = self._until("\n")
                if line.strip() == delimiter:
                    break
                lines.append(line)
            if command.program in SHELLS and self.depth < _DEEPEST:
                self.found += _parsed("\n".join(lines), command, self.depth + 1)
        self.heredocs.clear()


class _Piece:
    """The command that is being put together."""

    def __init__(self, scanner: _Scanner, inside: SimpleCommand | None) -> None:
        self.scanner = scanner
        self.inside = inside
        self.word: list[str] | None = None
        self.pending = ""
        self.command = SimpleCommand(inside=inside)

    def add(self, text: str) -> None:
        if self.word is None:
            self.word = []
        self.word.append(text)

    def redirect(self, sign: str) -> None:
        if self.word is not None and "".join(self.word).isdigit():
            self.word = None
        self.end_word()
        self.pending = sign

    def end_word(self) -> None:
        if self.word is None:
            return
        text, self.word = "".join(self.word), None
        sign, self.pending = self.pending, ""
        if sign.startswith("<<") and sign != "<<<":
            self.command.heredoc = True
            self.scanner.heredocs.append((text.lstrip("-"), self.command))
        elif sign.startswith(">"):
            if not text.isdigit() and text != "/dev/null":
                self.command.targets.append(text)
        elif not sign and (self.command.words or text not in _KEYWORDS):
            self.command.words.append(text)

    def end_command(self, *, background: bool = False) -> None:
        self.end_word()
        self.pending = ""
        if self.command.words or self.command.targets:
            self.command.background = background
            self.scanner.found.append(self.command)
        self.command = SimpleCommand(inside=self.inside)
