"""One simple command, and the text that command patterns are matched against. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_QUOTED_SIGN: Final = re.compile(r"(^|\s)>")
_ESCAPED_SIGN: Final = r"\1\\>"


@dataclass(frozen=True, slots=True)
class Ran:
    """One simple command.

    Attributes:
        words: without quotes, and without sudo, env, assignments and the like in front.
        writes: files that its output goes to; /dev/null and the terminal are none.
        appends: those of them that it is appended to.
        reads: what it is given on its standard input, if that stands in the line (a heredoc, ``<<<``, an echo before).
        status: its exit status, as far as that of the line tells it; else None.
        after: places (in the returned tuple) of commands that must have succeeded, or this one had not run.
        inner: what it holds is in the list too (``sh -c '…'``, ``xargs``, ``eval``); by itself it does nothing.
        as_root: by sudo, doas or su.
    """

    words: tuple[str, ...]
    writes: tuple[str, ...] = ()
    appends: tuple[str, ...] = ()
    reads: str | None = None
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
        r"""Program, words and redirections, one blank between them: what a command pattern is matched against.

        A ``>`` that stands in a quoted word, where it could be taken for a redirection, is written ``\>``.
        """
        return self._text(())

    @property
    def texts(self) -> tuple[str, ...]:
        """:attr:`text`, and what else a pattern may match.

        Where something is appended to a file, the same with ``>>file``; where it is known what the command reads, the
        same with ``<<<`` and that text behind it.
        """
        texts = [self.text]
        if self.appends:
            texts.append(self._text(self.appends))
        if self.reads is not None:
            texts.append(f"{texts[0]} <<<{_QUOTED_SIGN.sub(_ESCAPED_SIGN, self.reads)}")
        return tuple(texts)

    def _text(self, appends: tuple[str, ...]) -> str:
        words = (_QUOTED_SIGN.sub(_ESCAPED_SIGN, word) for word in self.words[1:])
        files = (f"{'>>' if file in appends else '>'}{file}" for file in self.writes)
        return " ".join((self.program, *words, *files))
