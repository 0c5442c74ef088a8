"""A worker's notes to the controller in the private folder: what was collected, and why nothing can be."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.collect import Check
from pytest_2501bench.evidence.folder import replace_file

FILES = "files.json"
USAGE = "usage.txt"


def _folder(config: pytest.Config) -> Path | None:
    workerinput: dict[str, Any] = getattr(config, "workerinput", {})
    folder = workerinput.get("bench2501_line")
    return Path(folder) if folder is not None else None


def tell_files(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tell where each scenario file is: node ids alone do not say it, and the controller collects nothing itself."""
    folder = _folder(config)
    files = {item.nodeid.split("::")[0]: str(item.path) for item in items if isinstance(item, Check)}
    if folder is not None and files:
        with contextlib.suppress(OSError):  # the controller then looks below the root directory
            replace_file(folder / FILES, json.dumps(files).encode())


@contextlib.contextmanager
def usage_errors_told(config: pytest.Config) -> Iterator[None]:
    """Within this context a usage error is told to the controller too; xdist would take it for a crash."""
    try:
        yield
    except pytest.UsageError as exc:
        folder = _folder(config)
        if folder is not None:
            with contextlib.suppress(OSError):
                replace_file(folder / USAGE, str(exc).encode())
        raise


def told_usage_error(folder: Path) -> str | None:
    """Return the usage error that a worker told, or None."""
    try:
        return (folder / USAGE).read_text()
    except OSError:
        return None
