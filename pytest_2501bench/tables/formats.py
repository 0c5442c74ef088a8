"""The tables and formats of exports, by name; and the format that a file's name asks for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final


class Table(StrEnum):
    """What there are rows of."""

    RUNS = "runs"
    RULES = "rules"
    COMMANDS = "commands"
    PHASES = "phases"
    BENCHMARKS = "benchmarks"


class Format(StrEnum):
    """What ``2501bench export`` writes."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    JUNIT = "junit"
    OPENMETRICS = "openmetrics"
    GITHUB = "github"


STDOUT: Final = "-"

_SUFFIXES: Final = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".xml": Format.JUNIT,
    ".prom": Format.OPENMETRICS,
}


def format_of(file: str) -> Format | None:
    """Return the format that a file's name asks for, or None; ``metrics.txt`` is GitLab's name for OpenMetrics."""
    path = Path(file)
    return Format.OPENMETRICS if path.name == "metrics.txt" else _SUFFIXES.get(path.suffix.lower())


def suffixes() -> str:
    """Return the endings that are known, for messages."""
    return ", ".join((*_SUFFIXES, "metrics.txt"))
