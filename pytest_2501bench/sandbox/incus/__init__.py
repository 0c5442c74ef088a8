"""``--mode incus``: fresh Incus instances per run; see :class:`.provider.IncusProvider`."""

from __future__ import annotations

from pytest_2501bench.sandbox.incus.provider import IncusProvider

__all__ = ["IncusProvider"]
