"""What a check says: a finding with its place, and the raw form in which checks yield it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """How sure we are that it must be changed."""

    ERROR = "error"  # the scenario cannot give a sound verdict
    WARNING = "warning"  # surely works otherwise than it reads
    HINT = "hint"  # worth a look; may well be meant


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an author should look at.

    Attributes:
        code: stable, e.g. ``SC301``.
        name: the code in words, e.g. ``never-fails``; as stable.
        severity: how sure we are.
        file: as messages show it.
        pointer: RFC 6901 into the file's content; empty for the file as a whole, and in files that are no JSON or YAML.
        line: from 1; 1 for the file as a whole.
        column: from 1.
        message: what is wrong, one line.
        right: what would be right, one line.
    """

    code: str
    name: str
    severity: Severity
    file: str
    pointer: str
    line: int
    column: int
    message: str
    right: str

    @property
    def docs(self) -> str:
        """Return where the code is explained."""
        return f"docs/linting.md#{self.code.lower()}-{self.name}"

    def __str__(self) -> str:
        place = f" [{self.pointer}]" if self.pointer else ""
        end = "" if self.message.endswith((".", "?")) else "."
        right = f" {self.right}" if self.right else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity} {self.code}: {self.message}{end}{right}{place}"


@dataclass(frozen=True, slots=True)
class Raw:
    """What a check yields; the registry and the file's text make a :class:`Finding` of it.

    Attributes:
        code: of the registry.
        message: what is wrong, one line.
        pointer: into scenario.json, or into *path*.
        path: another file than scenario.json.
        line: in *path*, from 1; in scenario.json the pointer gives it.
        column: as *line*.
        severity: in place of the registry's.
        right: in place of the registry's.
    """

    code: str
    message: str
    pointer: str = ""
    path: Path | None = None
    line: int = 0
    column: int = 0
    severity: Severity | None = None
    right: str | None = None
