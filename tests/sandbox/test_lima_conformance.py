"""``--mode lima`` keeps what every mode promises; on the fake limactl, as 2.0."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_limactl.place import fake_lima, put

from pytest_2501bench.sandbox.conformance import SandboxConformance
from pytest_2501bench.sandbox.protocol import HostSpec

pytestmark = pytest.mark.namespace


@pytest.fixture(autouse=True, scope="module")
def _place(images: None) -> Iterator[None]:
    with fake_lima() as place, pytest.MonkeyPatch.context() as patch:
        put(place, patch)
        yield
        assert place.instances() == ["template-debian-base"]
        assert place.processes() == []


class TestLima(SandboxConformance):
    factory = "fake_limactl.place:provider"
    specs = (HostSpec("web-01"),)
    several = 2
