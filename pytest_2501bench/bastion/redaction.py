"""Puts ``[NAME]`` in the place of values that must not end in a record: in texts and in streams.

A value is found as it is, and as programs commonly write it: in JSON, quoted for a shell or a URL, in base64, in hex.
Private SSH and TLS keys are found without being known.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

_SHORTEST_SECRET = 6
_SHORTEST_BASE64 = 8

_KEY_NAME = "[PRIVATE KEY]"
_KEY_MARK = "-----BEGIN "
_KEY_MOST = 20_000
"""Characters after which what began like a key is none."""

_GAP = r"(?:\s|\\[nrt])"  # also of a key that stands in JSON, or in a quoted command
_KEY = re.compile(
    rf"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:{_GAP}*[A-Za-z-]+: [^\n\\]*)*"
    rf"(?:{_GAP}*[A-Za-z0-9+/=]{{32,}})+(?:{_GAP}*[A-Za-z0-9+/=]+)?"
    rf"(?:{_GAP}*-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----)?"
)
_MAY_BE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE KEY-{1,5}[A-Za-z0-9+/=\s\\:,.-]*)?")


class Redaction:
    """Knows the values; shorter ones than six characters are left alone, since they would hit anything."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        """Take *secrets*, name → value."""
        self._name_of: dict[str, str] = {}
        for name, value in (secrets or {}).items():
            if len(value.strip()) >= _SHORTEST_SECRET:
                for form in _forms(value):
                    self._name_of.setdefault(form, name)
        forms = sorted(self._name_of, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None
        self.beginnings = (*forms, _KEY_MARK)

    def __repr__(self) -> str:
        return f"Redaction({', '.join(dict.fromkeys(self._name_of.values()))})"

    def text(self, text: str) -> str:
        """Return *text* without the values."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: f"[{self._name_of[found[0]]}]", text)
        return _KEY.sub(_KEY_NAME, text) if _KEY_MARK in text else text

    def stream(self) -> StreamRedaction:
        """Return the same for a stream."""
        return StreamRedaction(self)


class StreamRedaction:
    """Keeps back what may be the beginning of a value, until it is known."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._kept = ""

    def feed(self, text: str) -> str:
        """Take the next piece; return what can be told by now."""
        if not text:
            return ""
        text = self._kept + text
        begun = text.rfind(_KEY_MARK)
        may_be_key = begun >= 0 and len(text) - begun < _KEY_MOST and _MAY_BE_KEY.fullmatch(text, begun)
        text, key = (text[:begun], text[begun:]) if may_be_key and not _ended(text[begun:]) else (text, "")
        text = self._redaction.text(text)
        keep = 0 if key else _beginning(text, self._redaction.beginnings)
        self._kept = text[len(text) - keep :] + key
        return text[: len(text) - keep]

    def end(self) -> str:
        """Return what is left."""
        kept, self._kept = self._kept, ""
        return self._redaction.text(kept)


def _ended(key: str) -> bool:
    found = _KEY.match(key)
    return found is not None and found[0].endswith(" PRIVATE KEY-----") and "-----END " in found[0]


def _beginning(text: str, values: tuple[str, ...]) -> int:
    """Return how many characters at the end of *text* may be the beginning of one of *values*."""
    keep = 0
    for value in values:
        for length in range(min(len(value) - 1, len(text)), keep, -1):
            if text.endswith(value[:length]):
                keep = length
                break
    return keep


def _forms(value: str) -> Iterator[str]:
    """Yield *value* as programs write it; as it stands in a file, too, with or without the newline at its end."""
    bare = value.strip()
    for said in dict.fromkeys((value, bare)):
        yield said
        yield said.replace("\n", "\r\n")  # as a terminal shows it
        yield json.dumps(said)[1:-1]
        yield json.dumps(said, ensure_ascii=False)[1:-1]
        yield shlex.quote(said).removeprefix("'").removesuffix("'")
    for quoted in (quote(bare), quote(bare, safe=""), quote_plus(bare)):
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    raw = bare.encode()
    yield raw.hex()
    yield raw.hex().upper()
    for before in range(3):
        # Where it begins within a group of three bytes: alone, after `user:` and so on. The characters at both edges
        # depend on the neighbours and are left out.
        whole = base64.b64encode(bytes(before) + raw)
        part = whole[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6].decode()
        if len(part) >= _SHORTEST_BASE64:
            yield part
            yield part.translate(str.maketrans("+/", "-_"))
