"""Named groups of command patterns: whether two commands speak of the same file or service. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

FILE: Final = "file"
_GLOB: Final = frozenset("*?[")

Ties = Mapping[str, tuple[str, ...]]
"""What each named group of a match took; a repeated group takes several texts."""


def ties_of(match: Any, folder: str | None) -> Ties:
    """Return what the named groups of *match* took; a group named ``file`` takes paths, in *folder* when relative."""
    return {
        name: tuple(_path(text, folder) if name == FILE else text for text in match.captures(name))
        for name in match.re.groupindex
    }


def covers(given: Ties, wanted: Ties, folder: str | None, *, every: bool) -> bool:
    """Tell whether *given* speaks of what *wanted* names; a group that only one of both has ties nothing.

    Args:
        given: of a command that comes before or after.
        wanted: of the command that the rule is about.
        folder: where the command of *given* ran, if that is known: it speaks of that if it names nothing.
        every: all that *wanted* names must be spoken of, else any of it.
    """
    for name, values in wanted.items():
        if name not in given or not values:
            continue
        spoken = given[name]
        if name == FILE:
            spoken = spoken or ((folder,) if folder else ())
            told = [
                any(_is_in(value, each) for each in spoken) if spoken else value[:1] not in "/~" for value in values
            ]
        else:
            told = [value in spoken for value in values]
        if not (all(told) if every else any(told)):
            return False
    return True


def _is_in(value: str, given: str) -> bool:
    """Tell whether *value* is *given*, lies in it, or matches it as a glob."""
    if value == given or value[:1] == "$":  # what a variable holds is not known
        return True
    if value[:1] == "/" and value.startswith(given.rstrip("/") + "/"):
        return True
    if _GLOB & set(given) and fnmatchcase(value, given):
        return True
    one_is_relative = (value[:1] in "/~") != (given[:1] in "/~")
    return one_is_relative and posixpath.basename(value) == posixpath.basename(given.rstrip("/"))


def _path(text: str, folder: str | None) -> str:
    if text.endswith("/{}"):  # what find found there
        text = text[:-3] or "/"
    if text[:1] == "/":
        return posixpath.normpath(text)
    looks_like_a_path = text and text[0] not in "~$-" and folder
    return posixpath.normpath(posixpath.join(folder or "", text)) if looks_like_a_path else text


def moved(folder: str | None, words: Sequence[str]) -> str | None:
    """Return where a shell is after ``cd``; None if that is not known."""
    if len(words) < 2 or words[1][:1] in "-~$":
        return None
    return (
        posixpath.normpath(words[1] if words[1][:1] == "/" else posixpath.join(folder, words[1]) if folder else "")
        or None
    )
