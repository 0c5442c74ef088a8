"""``--mode namespace``: sandboxes of Linux namespaces; see :class:`.provider.NamespaceProvider`."""

from __future__ import annotations

from pathlib import Path

from pytest_2501bench.sandbox.namespace.provider import NamespaceProvider, default_cache_dir

__all__ = ["NamespaceProvider", "default_cache_dir", "remove_everything"]


def remove_everything(cache_dir: Path | None = None, *, living: bool = False) -> None:
    """Remove all sandboxes, root filesystems and package layers (``make clean``).

    Args:
        cache_dir: as for :class:`NamespaceProvider`.
        living: also sandboxes whose owner still runs; otherwise such a one is an error.
    """
    NamespaceProvider(cache_dir).remove_everything(living=living)
