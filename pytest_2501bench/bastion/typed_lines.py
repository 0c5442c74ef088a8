"""What was typed into a shell, as lines: best effort, from the bytes that pass."""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_LINE = 65_536

# A shell that was given no script and no -c takes its commands from standard input.
_BARE_SHELL = re.compile(
    r"""^\s*(?:exec\s+)?
    (?:(?:/\S*/)?(?:sudo|doas)(?:\s+-(?:[ugCp]\s+\S+|\S+))*\s+)?      # sudo -n -u root
    (?:(?:/\S*/)?env(?:\s+(?:-\S+|\w+=\S*))*\s+)?                     # env LANG=C
    (?:/\S*/)?(?:ba|da|z|k|a)?sh
    (?:\s+(?:-[ilesuxo-]+|--login|--norc|--noprofile|pipefail|errexit))*\s*(?:--?)?\s*
    (?:\s-s(?:\s.*)?)?$
    |^\s*(?:/\S*/)?(?:sudo|doas)(?:\s+-(?:[ugCp]\s+\S+|[a-zA-Z]+))*\s+-[a-zA-Z]*[is][a-zA-Z]*\s*$   # sudo -i
    |^\s*(?:(?:/\S*/)?(?:sudo|doas)(?:\s+-\S+)*\s+)?(?:/\S*/)?su(?:\s+(?:-|-l|--login|\w+))*\s*$""",
    re.VERBOSE,
)


def reads_commands(command: str | None) -> bool:
    """Say whether *command* (None: a login shell) takes commands from its standard input."""
    return command is None or (len(command) < 500 and _BARE_SHELL.match(command) is not None)


class TypedLines:
    """Turns keystrokes into lines: backspace, Ctrl-U, Ctrl-W and Ctrl-C are obeyed, escape sequences left out.

    What completion and history put onto the line is not seen.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._line = bytearray()
        self._escape = b""

    def feed(self, data: bytes) -> None:
        """Take what was typed."""
        for byte in data:
            if self._escape:
                self._in_escape(byte)
            elif byte in b"\r\n":
                self._emit()
            elif byte in b"\x7f\x08":
                del self._line[-1:]
            elif byte in b"\x15\x03":  # Ctrl-U, Ctrl-C
                self._line.clear()
            elif byte == 0x17:  # Ctrl-W
                words = bytes(self._line).rstrip()
                self._line[:] = words[: words.rfind(b" ") + 1]
            elif byte == 0x1B:
                self._escape = b"\x1b"
            elif (byte >= 0x20 or byte == 0x09) and len(self._line) < MAX_LINE:
                self._line.append(byte)

    def end(self) -> None:
        """Take the end of input: a last line without a newline counts."""
        self._emit()

    def _in_escape(self, byte: int) -> None:
        self._escape += bytes((byte,))
        if len(self._escape) == 2 and byte in b"[O":
            return
        # A final byte ends a sequence; an overlong one is none.
        if 0x40 <= byte <= 0x7E or len(self._escape) > 16:
            self._escape = b""

    def _emit(self) -> None:
        text = bytes(self._line).decode("utf-8", "replace").strip()
        self._line.clear()
        if text:
            self._on_line(text)
