"""Fonts of this machine for what agents write, in whatever script; and what is done about characters without one."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_2501bench.report.plain import printable

if TYPE_CHECKING:
    from fpdf import FPDF

_FOLDERS: Final = (
    *("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    *("/Library/Fonts", "/System/Library/Fonts", "~/Library/Fonts"),
)
_TEXT: Final = ("DejaVuSans", "NotoSans-Regular", "LiberationSans-Regular", "FreeSans", "Arial Unicode", "Arial")
_BOLD: Final = ("DejaVuSans-Bold", "NotoSans-Bold", "LiberationSans-Bold", "FreeSansBold", "Arial Bold")
_MONO: Final = ("DejaVuSansMono", "NotoSansMono-Regular", "LiberationMono-Regular", "FreeMono", "Courier New")
_FIRST: Final = ("NotoSansCJK-Regular", "NotoSans", "FreeSans", "DejaVuSans", "unifont", "Lohit", "wqy", "Droid")
_SUFFIXES: Final = {".ttf", ".otf", ".ttc"}
_WESTERN: Final = "windows-1252"
_MOST_TRIED: Final = 200
_MARKS: Final = ("Mn", "Me")
_MOST_MARKS: Final = 3
_RIGHT_TO_LEFT: Final = ("R", "AL", "AN")
_TEXT_NAME: Final = "text"
_MONO_NAME: Final = "mono"


@dataclass(frozen=True)
class Fonts:
    """The fonts of one document.

    Attributes:
        text: family for words; it has bold.
        mono: family for commands.
        covered: code points that one of the fonts has.
    """

    text: str
    mono: str
    covered: frozenset[int]

    def shown(self, text: str) -> str:
        r"""Return *text* printable, and what has no glyph written out (``\u4f60``): nothing is lost.

        So are marks upon marks upon one letter: they cover the lines above, and take for ever to lay out.
        """
        shown: list[str] = []
        marks = 0
        for char in printable(text):
            marks = marks + 1 if unicodedata.category(char) in _MARKS else 0
            readable = (ord(char) in self.covered or char == "\n") and marks <= _MOST_MARKS
            shown.append(char if readable else _code(char))
        return "".join(shown)


def load_fonts(pdf: FPDF, needed: str, given: Sequence[Path] = ()) -> Fonts:
    """Give *pdf* fonts for the characters of *needed*.

    Args:
        pdf: the document.
        needed: whatever will be shown.
        given: font files to look in first.

    Raises:
        OSError: one of *given* cannot be read.
        ValueError: one of *given* is no font.
    """
    installed = list(_installed())
    found = {name: _find(installed, names) for name, names in (("", _TEXT), ("B", _BOLD), ("mono", _MONO))}
    missing = {ord(char) for char in printable(needed)}
    if found[""] is None:  # every PDF reader has these, with the characters of Western Europe
        pdf.core_fonts_encoding = _WESTERN
        covered = {ord(char) for code in range(0x20, 0x100) for char in bytes([code]).decode(_WESTERN, "ignore")}
        # Fallback fonts only work for fonts that are embedded, so here is nothing to fall back to.
        if not given:
            return Fonts("Helvetica", "Courier", frozenset(covered))
        found[""] = given[0]
    text = found[""]
    assert text is not None
    pdf.add_font(_TEXT_NAME, "", text)
    pdf.add_font(_TEXT_NAME, "B", found["B"] or text)
    pdf.add_font(_MONO_NAME, "", found["mono"] or text)
    covered = set(_characters(text)) & set(_characters(found["mono"] or text)) & set(_characters(found["B"] or text))
    fallbacks: list[str] = []
    for path in (*given, *_others(installed)[:_MOST_TRIED]):
        if missing <= covered:
            break
        more = set(_characters(path, forgiving=path not in given))
        if more & (missing - covered):
            name = f"more{len(fallbacks)}"
            pdf.add_font(name, "", path)
            fallbacks.append(name)
            covered |= more
    if fallbacks:
        pdf.set_fallback_fonts(fallbacks, exact_match=False)
    return Fonts(_TEXT_NAME, _MONO_NAME, frozenset(covered))


def shaped(text: str) -> bool:
    """Return whether letters of *text* run from right to left or change with their neighbours; it costs time."""
    return any(
        unicodedata.bidirectional(char) in _RIGHT_TO_LEFT or unicodedata.category(char) in ("Mn", "Mc", "Me")
        for char in set(text)
    )


def _characters(path: Path, *, forgiving: bool = False) -> Iterator[int]:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        # Opened here, because TTFont leaves a file open that is no font.
        with path.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
            # Colour fonts without outlines draw nothing.
            if "glyf" in font or "CFF " in font or "CFF2" in font:
                yield from font.getBestCmap() or ()
    except (TTLibError, OSError, ValueError, AssertionError) as error:
        if not forgiving:
            raise ValueError(f"{path}: not a font: {error}") from error


def _installed() -> Iterator[Path]:
    for folder in _FOLDERS:
        for base, _, names in os.walk(Path(folder).expanduser()):
            yield from (Path(base, name) for name in sorted(names) if Path(name).suffix.lower() in _SUFFIXES)


def _find(installed: Sequence[Path], names: Sequence[str]) -> Path | None:
    by_stem = {path.stem: path for path in reversed(installed)}
    return next((by_stem[name] for name in names if name in by_stem), None)


def _others(installed: Sequence[Path]) -> list[Path]:
    upright = [path for path in installed if not any(word in path.stem for word in ("Bold", "Italic", "Oblique"))]

    def rank(path: Path) -> int:
        return next((number for number, word in enumerate(_FIRST) if path.stem.startswith(word)), len(_FIRST))

    return sorted(upright, key=rank)


def _code(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
