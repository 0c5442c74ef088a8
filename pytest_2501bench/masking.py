"""Settings as they may be shown and stored: without the secrets that people put into command lines and addresses. Pure.

What a value is cannot be known; names and shapes tell. So this is a net, not a wall: a key belongs in the environment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HIDDEN = "[hidden]"

_NAME = r"[\w.-]*(?:api[_-]?key|access[_-]?key|token|secret|passw(?:or)?d|passphrase|credentials?|bearer)"
_ASSIGNED = re.compile(rf"(-{{0,2}}{_NAME})=(.+)", re.IGNORECASE | re.DOTALL)
_FLAG = re.compile(rf"--?{_NAME}", re.IGNORECASE)
_INSIDE = re.compile(rf"((?:^|(?<=[\s'\"]))(?:--?{_NAME}[ =]|{_NAME}=))([^\s'\"]+)", re.IGNORECASE)
_HARMLESS = re.compile(r"[\d.,_]*|.{0,5}|true|false|none|null", re.IGNORECASE)  # --max-token 4000

_HEADER = re.compile(r"\b(authorization:\s*(?:\w+\s+)?|bearer\s+|(?:x-)?api-key:\s*)(\S+)", re.IGNORECASE)
_USERINFO = re.compile(r"(://[^\s/@:]*:)[^\s/@]*(@)|(://)[^\s/@:]{16,}(@)")
_SHAPES = re.compile(r"\b(?:sk-[\w-]{16,}|gh[opsur]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abpr]-[\w-]{10,})")


def shown_text(text: str) -> str:
    """Return *text* (an address, a header, one argument) without what looks like a secret."""
    text = _USERINFO.sub(lambda found: f"{found[1] or found[3]}{HIDDEN}@", text)
    text = _INSIDE.sub(lambda found: found[0] if _HARMLESS.fullmatch(found[2]) else f"{found[1]}{HIDDEN}", text)
    text = _HEADER.sub(lambda found: f"{found[1]}{HIDDEN}", text)
    return _SHAPES.sub(HIDDEN, text)


def shown_command(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command line without the values of ``--api-key VALUE``, ``TOKEN=VALUE`` and their like."""
    shown: list[str] = []
    secret_next = False
    for word in words:
        assigned = _ASSIGNED.fullmatch(word)
        if secret_next and not word.startswith("-") and not _HARMLESS.fullmatch(word):
            shown.append(HIDDEN)
        elif assigned and not _HARMLESS.fullmatch(assigned[2]):
            shown.append(f"{assigned[1]}={HIDDEN}")
        else:
            shown.append(shown_text(word))
        secret_next = _FLAG.fullmatch(word) is not None
    return tuple(shown)
