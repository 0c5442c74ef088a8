"""Regular expressions with a time limit: a catastrophic one costs seconds, not the session.

The dialect is that of the PyPI library ``regex`` (version 0, that is the standard library's ``re`` and more), always
case-insensitive, with ``^`` and ``$`` at every line: ``executed_commands`` and other lists are joined one per line.
``.`` does not match a line break unless the pattern says ``(?s)``. The time limit is the library's own: it is checked
inside the matching loop, so it needs no signal, works in every thread, and lets other threads run meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

import regex  # type: ignore[import-untyped]

_FLAGS = regex.IGNORECASE | regex.MULTILINE | regex.VERSION0


class PatternError(ValueError):
    """A pattern that does not compile.

    Attributes:
        pattern: as written.
        reason: the library's words.
        position: character in *pattern*, from 0; None when the library does not say.
    """

    def __init__(self, pattern: str, reason: str, position: int | None) -> None:
        at = "" if position is None else f" at character {position + 1}"
        super().__init__(f"bad regular expression{at}: {reason}")
        self.pattern = pattern
        self.reason = reason
        self.position = position


class PatternTimeoutError(Exception):
    """A match that used up its time or the memory; there is no verdict."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a pattern matched: character offsets, *end* exclusive."""

    start: int
    end: int


class _Found(Protocol):
    def span(self) -> tuple[int, int]: ...


class _Compiled(Protocol):
    def search(self, text: str, *, timeout: float) -> _Found | None: ...


# Ten thousand scenarios may have as many patterns; a compiled one is a few kilobytes.
@lru_cache(maxsize=16_384)
def compile_pattern(pattern: str) -> _Compiled:
    """Return *pattern*, compiled.

    Raises:
        PatternError: it is no regular expression.
    """
    try:
        return cast(_Compiled, regex.compile(pattern, _FLAGS, cache_pattern=False))
    except regex.error as error:
        raise PatternError(pattern, error.msg, error.pos) from error
    except RecursionError as error:
        raise PatternError(pattern, "nested too deeply", None) from error
    except (ValueError, OverflowError, MemoryError) as error:  # incompatible flags, absurd counts
        raise PatternError(pattern, str(error) or "too large", None) from error


def search(pattern: str, text: str, *, seconds: float) -> Match | None:
    """Return the first match of *pattern* in *text*, or None.

    Raises:
        PatternError: it is no regular expression.
        PatternTimeoutError: no verdict within *seconds*, or not within the memory.
    """
    compiled = compile_pattern(pattern)
    try:
        found = compiled.search(text, timeout=seconds)
    except TimeoutError as error:
        raise PatternTimeoutError(f"no verdict within {seconds:g} s") from error
    except (MemoryError, RecursionError) as error:
        raise PatternTimeoutError("no verdict within the memory") from error
    return None if found is None else Match(*found.span())
