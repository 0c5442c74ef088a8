"""What a command prints, where its text tells. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from pytest_2501bench.shell.held import FOUND, found_by_find

_FILTERS: Final = frozenset({"grep", "egrep", "sort", "head", "tail", "uniq", "sed", "awk", "tr", "tee", "cat"})


def printed(words: list[str], given: str | None) -> str | None:
    """Return what an echo, a printf or a cat of a heredoc prints, near enough; None for all else."""
    if not words:
        return None
    program, rest = PurePosixPath(words[0]).name, words[1:]
    if program == "find":
        return "\n".join(found_by_find(rest))
    if given is not None and given.endswith(FOUND) and program in _FILTERS:
        return given
    if program in {"cat", "tee"} and given is not None and (program == "tee" or not rest or rest == ["-"]):
        return given
    if program == "echo":
        while rest and re.fullmatch(r"-[neE]+", rest[0]):
            rest = rest[1:]
        return " ".join(rest).replace("\\n", "\n")
    if program == "printf" and rest:
        plain = "%" not in rest[0]
        return (rest[0] if plain else "\n".join(rest[1:])).replace("\\n", "\n")
    return None
