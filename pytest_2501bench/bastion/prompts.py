"""Keeps what is typed at a password prompt out of the record."""

from __future__ import annotations

import re

_PROMPT = re.compile(rb"(?i)(?:password|passwort|passphrase|passcode|verification code)\b[^\r\n]{0,80}:\s?$")
_TAIL = 240


class PromptWatch:
    """Sees both directions of a session in which commands are typed."""

    def __init__(self) -> None:
        self._tail = b""
        self._hiding = False

    def server(self, data: bytes) -> None:
        """Take what the host shows."""
        self._tail = (self._tail + data[-_TAIL:])[-_TAIL:]

    def client(self, data: bytes) -> bytes:
        """Take what is typed; return what of it may be written down."""
        if not self._hiding and _PROMPT.search(self._tail):
            self._hiding = True
        if not self._hiding:
            return data
        ends = [at for at in (data.find(b"\r"), data.find(b"\n")) if at >= 0]
        if not ends:
            return b""
        self._hiding = False
        self._tail = b""
        return data[min(ends) :]
