"""Which items are checks of one run, by their node ids alone: xdist's controller has no items."""

from __future__ import annotations


def file_of(nodeid: str) -> str | None:
    """Return the node id of the scenario file that the item belongs to, or None for an item that is not ours."""
    file = nodeid.split("::", 1)[0]
    return file if file.rsplit("/", 1)[-1] == "scenario.json" and "::" in nodeid else None


def unit_of(nodeid: str) -> str | None:
    """Return the node id of the run that the item is a check of: ``…/scenario.json::run1``; None for other items."""
    parts = nodeid.split("::")
    return "::".join(parts[:2]) if len(parts) > 2 and file_of(nodeid) else None
