"""Adds ``--gateway acme`` to the sessions of this folder; in a project of one's own, a few lines of its conftest.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from pytest_2501bench.gateway.protocol import Gateway
from pytest_2501bench.options import Settings


def _acme(settings: Settings) -> Gateway:
    from acme_gateway import AcmeGateway

    return AcmeGateway(settings.engine_url or "", settings.engine_api_key or "")


def pytest_2501bench_gateways(config: pytest.Config) -> Mapping[str, Callable[[Settings], Gateway]]:
    return {"acme": _acme}
