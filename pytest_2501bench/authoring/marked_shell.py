"""A bash that marks in its output what was entered at its prompts: the line, its exit status, where, files edited.

Keystrokes alone do not tell that: what completion and history put onto a line is not typed, and exit statuses are never
seen. The marks are escape sequences of a number that terminals do not know and so do not show. Nothing of it is on the
host's disk: the shell is told by its environment, and keeps no history file.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_FILE: Final = 65_536
"""Bytes of a file that an editor was called for; of larger ones nothing is kept."""

_EDITOR: Final = r"vim?|view|nano|pico|emacs|e[dx]|joe|mcedit|editor|sudoedit"
# _p tells at each prompt what was entered before it; _f, before and after, the files that an editor is called for.
_SCRIPT: Final = (
    "unset HISTFILE HISTTIMEFORMAT _25;HISTCONTROL=;"
    rf"_f(){{ local l=$(history 1) w;[[ $l =~ \ ({_EDITOR})\  ]]&&for w in $l;do "
    rf'[ -f "$w" ]&&printf "\e]2501;f;%s;%s\a" "$(head -c{MAX_FILE + 1} "$w"|base64 -w0)" "$w";done 2>/dev/null;}};'
    r'_p(){ local e=$?;_f;printf "\e]2501;p;%s;%s;%s\a" $e "$(history 1|base64 -w0)" "$PWD";};'
    r"PS0=\$\(_f\);PROMPT_COMMAND=_p;declare +x PROMPT_COMMAND;_p"
)
# Without a blank: so the bastion's own reading of commands takes it as what it is, a shell that reads commands.
COMMAND: Final = "exec env _25='{}' PROMPT_COMMAND='eval${{IFS}}\"${{_25//@/${{IFS::1}}}}\"' bash -il".format(
    _SCRIPT.replace(" ", "@")
)
"""The command line that starts such a shell."""

_MARK: Final = re.compile(r"\x1b\]2501;(?:(?P<kind>[pf]);)(?P<rest>[^\x07\x1b]*)\x07", re.S)
_ENTRY: Final = re.compile(r"\s*(\d+)\*?  ?(.*)", re.S)


@dataclass(frozen=True, slots=True)
class File:
    """A file that an editor is, or was, called for; None: it is too large, or no text."""

    name: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, and what was entered at the one before.

    Attributes:
        number: of the last line in the shell's history; the same as before if nothing was entered.
        status: the exit status of that line.
        folder: where the shell is now.
    """

    number: int
    line: str
    status: int
    folder: str


def marks(text: str) -> Iterator[tuple[int, File | Prompt]]:
    """Yield the marks in a shell's output, each with its place in *text*; what is damaged is left out."""
    for found in _MARK.finditer(text):
        fields = found["rest"].split(";", 2 if found["kind"] == "p" else 1)
        try:
            if found["kind"] == "f":
                yield found.start(), File(fields[1], _file(fields[0]))
            else:
                entry = _ENTRY.fullmatch(_plain(fields[1]).decode("utf-8", "replace").rstrip("\n"))
                number, line = (int(entry[1]), entry[2].strip()) if entry else (0, "")
                yield found.start(), Prompt(number, line, int(fields[0]), fields[2])
        except (IndexError, ValueError):
            continue


def _plain(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _file(encoded: str) -> str | None:
    content = _plain(encoded)
    try:
        return content.decode() if len(content) <= MAX_FILE and b"\x00" not in content else None
    except UnicodeDecodeError:
        return None
