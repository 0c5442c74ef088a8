"""Lines of styled text: what pure renderers return and a terminal writer shows. Without styles nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, Protocol

from pytest_2501bench.report.plain import one_line
from pytest_2501bench.scoring.model import Status


class Style(Enum):
    """What a piece of text means; :data:`MARKUP` says how it looks."""

    PLAIN = "plain"
    STRONG = "strong"
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    MUTED = "muted"


MARKUP: Final[Mapping[Style, Mapping[str, bool]]] = MappingProxyType(
    {
        Style.PLAIN: {},
        Style.STRONG: {"bold": True},
        Style.PASSED: {"green": True},
        Style.FAILED: {"red": True, "bold": True},
        Style.ERROR: {"yellow": True, "bold": True},
        Style.MUTED: {"light": True},
    }
)
"""Keyword arguments of pytest's ``TerminalWriter.write``."""

STYLE_OF: Final[Mapping[Status, Style]] = MappingProxyType(
    {Status.PASSED: Style.PASSED, Status.FAILED: Style.FAILED, Status.ERROR: Style.ERROR}
)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of one line. Whatever its text was, it holds no line break and no control character."""

    text: str
    style: Style = Style.PLAIN

    def __post_init__(self) -> None:
        if not self.text.isprintable():
            lead = self.text[: len(self.text) - len(self.text.lstrip(" "))]
            object.__setattr__(self, "text", lead + one_line(self.text))


Line = tuple[Part, ...]


class Writer(Protocol):
    """The part of pytest's ``TerminalWriter`` that is used here."""

    def write(self, msg: str, /, *, flush: bool = ..., **markup: bool) -> None:
        """Write *msg* as it is."""
        ...


def line(*parts: Part | str) -> Line:
    """Return a line; a plain string is a part without style."""
    return tuple(part if isinstance(part, Part) else Part(part) for part in parts)


def as_text(lines: Iterable[Line]) -> str:
    """Return the lines without styles, one per line; trailing blanks are dropped."""
    return "\n".join("".join(part.text for part in each).rstrip() for each in lines)


def write_lines(writer: Writer, lines: Sequence[Line]) -> None:
    """Write *lines*, each with its line feed, to pytest's terminal writer."""
    for each in lines:
        for part in each:
            writer.write(part.text, **MARKUP[part.style])
        writer.write("\n")
