"""``--mode lima``: virtual machines by Lima, on macOS and Linux; see :class:`.provider.LimaProvider`."""

from __future__ import annotations

from pytest_2501bench.sandbox.lima.provider import LimaProvider

__all__ = ["LimaProvider"]
