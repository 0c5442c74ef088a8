"""Hook specifications: how other plugins and conftest.py files extend the benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_2501bench.collect import ScenarioRun
    from pytest_2501bench.gateway.protocol import Gateway
    from pytest_2501bench.options import Settings
    from pytest_2501bench.report.model import Benchmark, ScenarioReport
    from pytest_2501bench.sandbox.protocol import SandboxProvider
    from pytest_2501bench.scenario.rule_type import RuleType


@pytest.hookspec
def pytest_2501bench_sandbox_providers(config: pytest.Config) -> Mapping[str, Callable[[Settings], SandboxProvider]]:  # type: ignore[empty-body]
    """Return ``{mode: factory}``; ``--mode`` offers those of all plugins. Two of the same name are a usage error."""


@pytest.hookspec
def pytest_2501bench_gateways(config: pytest.Config) -> Mapping[str, Callable[[Settings], Gateway]]:  # type: ignore[empty-body]
    """Return ``{name: factory}`` for ``--gateway``."""


@pytest.hookspec
def pytest_2501bench_agents(config: pytest.Config) -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return ``{name: "package.module:factory"}`` for ``--agent``; the local engine's process imports it."""


@pytest.hookspec
def pytest_2501bench_validators(config: pytest.Config) -> Mapping[str, RuleType]:  # type: ignore[empty-body]
    """Return ``{validator: RuleType(model, evaluate)}``: further rule types for scenario.json."""


@pytest.hookspec
def pytest_2501bench_checks(run: ScenarioRun) -> Mapping[str, Callable[..., Any]]:  # type: ignore[empty-body]
    """Return ``{name: function}``: further checks of *run*, each an item of its own.

    A function asks for fixtures by name as tests do (``report``, ``evidence``, …) and asserts.
    """


@pytest.hookspec
def pytest_2501bench_run_finished(run: ScenarioRun, report: ScenarioReport) -> None:
    """Look at a run when its verdicts are stored and before its sandbox is removed; called once, where it ran."""


@pytest.hookspec
def pytest_2501bench_report(config: pytest.Config, benchmark: Benchmark, reports: list[ScenarioReport]) -> None:
    """Look at all runs when they are stored; called once per session, on the controller."""
