"""What all tests share: no setting of the machine or of the outer session reaches a test."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pytest_2501bench.options import OPTIONS

pytest_plugins = ["pytester"]

# A shell that starts a job in the background has it ignore Ctrl-C, and so would every session that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HANGS = 900
"""Seconds after which a test, with its fixtures, is taken to hang: far above the slowest. It must cost itself, not the
run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Limit every test of this folder that has no limit of its own."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(HANGS))


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in OPTIONS:
        monkeypatch.delenv(option.env, raising=False)
    # CI and BUILD_NUMBER: pytest shows longer summaries then, and snapshots would depend on where they are taken.
    for name in [name for name in os.environ if name.startswith("SERVICENOW_")]:
        monkeypatch.delenv(name)
    for name in ("PYTEST_ADDOPTS", "GITHUB_STEP_SUMMARY", "BENCH_AGENT_ENV", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
