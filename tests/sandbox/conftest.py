"""A provider with the machine's images but a ledger of its own, and hosts to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hosts import DB, WEB

from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import Sandbox


@pytest.fixture(scope="session")
def images() -> None:
    """Build what the tests need; nothing to do after the first time."""
    provider = NamespaceProvider()
    assert provider.preflight() == []
    provider.prepare_images([WEB, DB], print)


@pytest.fixture
def provider(images: None, tmp_path: Path) -> Iterator[NamespaceProvider]:
    provider = NamespaceProvider(state_dir=tmp_path)
    yield provider
    for owned in provider.list_owned():
        provider.destroy(Sandbox(owned.name, ()))


@pytest.fixture(scope="module")
def pair(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NamespaceProvider, Sandbox]]:
    """Two hosts that a module's tests look at and do not change for good."""
    provider = NamespaceProvider(state_dir=tmp_path_factory.mktemp("state"))
    sandbox = provider.create([WEB, DB])
    try:
        yield provider, sandbox
    finally:
        provider.destroy(sandbox)
