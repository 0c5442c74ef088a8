"""``--mode host``: registered hosts, one run at a time; see :class:`.provider.HostProvider`."""

from __future__ import annotations

from pytest_2501bench.sandbox.host.provider import HostProvider

__all__ = ["HostProvider"]
