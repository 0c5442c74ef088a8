"""``--mode incus`` keeps what every mode promises, against a real daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.incus import incus_state  # noqa: F401

from pytest_2501bench.sandbox.conformance import SandboxConformance
from pytest_2501bench.sandbox.protocol import HostSpec

pytestmark = pytest.mark.incus


@pytest.fixture(autouse=True, scope="module")
def _state(incus_state: Path) -> Iterator[None]:  # noqa: F811
    with pytest.MonkeyPatch.context() as patch:
        # By the environment, because the suite also makes providers in a process of its own.
        patch.setenv("CONFORMANCE_STATE", str(incus_state))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
        yield


class TestIncus(SandboxConformance):
    factory = "support.providers:incus"
    specs = (HostSpec("web-01"), HostSpec("db-01"))
