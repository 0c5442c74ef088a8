"""Providers for the conformance suite, which also makes them in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_2501bench.sandbox.incus import IncusProvider
from pytest_2501bench.sandbox.namespace import NamespaceProvider


def namespace() -> NamespaceProvider:
    """Return one with the ledger that ``CONFORMANCE_STATE`` names."""
    return NamespaceProvider(state_dir=Path(os.environ["CONFORMANCE_STATE"]))


def incus() -> IncusProvider:
    """Return one with the ledger that ``CONFORMANCE_STATE`` names, on this machine's daemon."""
    return IncusProvider(state_dir=Path(os.environ["CONFORMANCE_STATE"]))
