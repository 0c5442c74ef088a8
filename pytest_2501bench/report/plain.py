"""Text that agents and hosts wrote, made safe to show: it can neither steer a terminal nor hide a part of itself."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Colours and cursor movements only. An OSC or DCS string could hide words of a command inside a sequence that terminals
# swallow, so those stay visible, with their ESC written out.
_CSI: Final = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")
_LINE_BREAK: Final = re.compile(r"\s*\n\s*")
_JOINER: Final = "\u200d"  # holds emoji sequences together and has no power of its own


def printable(text: str) -> str:
    r"""Return *text* with colours removed and every other unprintable character written out (``\x07``, ``\u202e``).

    Line feeds stay, a carriage return before one goes, tabs become spaces. The result can be encoded as UTF-8.
    """
    if text.isprintable():
        return text
    text = _CSI.sub("", text).replace("\r\n", "\n").expandtabs(4)
    return "".join(map(_shown, text))


def one_line(text: str, limit: int | None = None) -> str:
    """Return :func:`printable` *text* in one line, line breaks as `` ⏎ ``, cut to *limit* characters with ``…``."""
    text = _LINE_BREAK.sub(" ⏎ ", printable(text).strip())
    return text if limit is None or len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def _shown(char: str) -> str:
    if char.isprintable() or char in ("\n", _JOINER):
        return char
    if unicodedata.category(char) == "Zs":
        return " "
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
