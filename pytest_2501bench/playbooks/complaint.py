"""Ansible's own complaint, of whatever version, as one line: ``prepare.yml:3: words``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.playbooks.message import paragraph

# 2.19 and later: "[ERROR]: words", "Origin: /path:3:6". Before: "ERROR! words", "… in '/path': line 3, column 6".
_START = re.compile(r"^(?:\[ERROR\]: |ERROR! )", re.M)
_ORIGIN = re.compile(r"^Origin: (?P<path>.+?):(?P<line>\d+)(?::\d+)?$", re.M)
_APPEARS = re.compile(r"The error appears to be in '(?P<path>.+?)': line (?P<line>\d+)", re.S)
_END = re.compile(r"^(?:Origin: |<<< caused by >>>|The error appears to be|The offending line|\s*\d+ .*$|\Z)", re.M)
_YAML_SYNTAX = re.compile(r"Syntax Error while loading YAML\.\s+(?P<words>.+)", re.S)
_NOISE = (
    "This often indicates a misspelling, missing collection, or incorrect module path.",
    "If you are using a module and expect the file to exist on the remote, see the remote_src option",
)


_ROLE_PATHS = re.compile(r"([Tt]he role '[^']*' was not found) in:? .*", re.S)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong, and where if Ansible said so."""

    words: str
    file: str | None = None
    line: int | None = None

    @property
    def located(self) -> bool:
        """Whether it names a place in a file."""
        return self.file is not None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.words}" if self.located else self.words


def relative(path: str, folder: Path) -> str:
    """Return *path* relative to *folder* when it lies within."""
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


def complaint(text: str, folder: Path) -> Complaint | None:
    """Return the first error in Ansible's output *text*, with paths relative to *folder*; None when there is none."""
    text = text.replace("\r\n", "\n")
    start = _START.search(text)
    if start is None:
        return None
    body = text[start.end() :]
    end = _END.search(body)
    words = body[: end.start()] if end else body
    if syntax := _YAML_SYNTAX.search(words):
        words = f"YAML parsing failed: {syntax['words'].strip()}"
    words = _ROLE_PATHS.sub(r"\1 in roles/ or an installed collection", words)
    for noise in _NOISE:
        words = words.replace(noise, "")
    words = paragraph(words.replace(f"{folder}/", "")).rstrip(" .:") or "Ansible gave no reason"
    place = _ORIGIN.search(body) or _APPEARS.search(body)
    if place is None:
        return Complaint(words)
    return Complaint(words, relative(place["path"], folder), int(place["line"]))
