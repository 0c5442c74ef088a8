"""``--mode host`` keeps what every mode promises, on hosts that stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.registered_hosts import from_environment, machines, registered

from pytest_2501bench.sandbox.conformance import SandboxConformance
from pytest_2501bench.sandbox.protocol import HostSpec

pytestmark = pytest.mark.namespace

WEB, DB = HostSpec("web-01", host_id="hst_web01"), HostSpec("db-01", host_id="hst_db01")


@pytest.fixture(autouse=True, scope="module")
def _state(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    state = tmp_path_factory.mktemp("state")
    with machines([WEB, DB], state / "machines") as hosts, pytest.MonkeyPatch.context() as patch:
        # By the environment, because the suite also makes providers in a process of its own.
        patch.setenv("CONFORMANCE_STATE", str(state))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
        for host in hosts:
            from_environment().store.register_host(registered(host))
        yield


class TestHost(SandboxConformance):
    factory = "support.registered_hosts:from_environment"
    specs = (WEB, DB)
    several = 1  # two sandboxes on one host would wait for each other: that is the point of the mode
