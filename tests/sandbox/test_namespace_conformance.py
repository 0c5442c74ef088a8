"""``--mode namespace`` keeps what every mode promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_2501bench.sandbox.conformance import SandboxConformance
from pytest_2501bench.sandbox.protocol import HostSpec

pytestmark = pytest.mark.namespace


@pytest.fixture(autouse=True, scope="module")
def _state(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # By the environment, because the suite also makes providers in a process of its own.
        patch.setenv("CONFORMANCE_STATE", str(tmp_path_factory.mktemp("state")))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
        yield


class TestNamespace(SandboxConformance):
    factory = "support.providers:namespace"
    specs = (HostSpec("web-01"), HostSpec("db-01"))
