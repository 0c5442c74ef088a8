"""The mode keeps what every mode promises. POOL_MACHINES must list three machines that may be used for tests."""

from __future__ import annotations

from pytest_2501bench.sandbox.conformance import SandboxConformance


class TestPool(SandboxConformance):
    factory = "pool_mode.provider:from_environment"
