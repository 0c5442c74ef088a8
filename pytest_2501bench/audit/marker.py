"""The marker in a run's folder that says for which documents its evidence must stay: for whoever has no database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pytest_2501bench.audit.exhibits import MARKER
from pytest_2501bench.evidence.folder import not_written, replace_file
from pytest_2501bench.store.protection import Protection


def write_marker(folder: Path, protections: Iterable[Protection]) -> None:
    """Write all that is known of the run's protections, released ones too. Raises ``evidence_not_written``."""
    text = json.dumps({"protections": [each.model_dump(mode="json") for each in protections]}, indent=1)
    try:
        replace_file(folder / MARKER, text.encode() + b"\n")
    except OSError as error:
        raise not_written(folder / MARKER, error) from error


def marked(folder: Path) -> bool:
    """Return whether the marker in *folder* names a document that nobody released; an unreadable one counts as such."""
    try:
        found = json.loads((folder / MARKER).read_bytes())
        return any(Protection.model_validate(each).released_at is None for each in found["protections"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, TypeError, KeyError):
        return True
