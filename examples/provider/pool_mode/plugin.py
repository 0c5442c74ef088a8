"""What pytest loads: it offers the mode, and imports the rest only when the mode is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_2501bench_sandbox_providers(config: pytest.Config) -> Mapping[str, Callable[[Any], Any]]:
    """Offer ``--mode pool``. The factory is given the session's settings; this mode needs none of them."""

    def pool(settings: Any) -> Any:
        from pool_mode.provider import from_environment

        return from_environment()

    return {"pool": pool}
