"""What a project can add without touching the plugin: a validator, a further check, and a mode of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from pytest_2501bench.evidence.model import Evidence
from pytest_2501bench.options import Settings
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.sandbox.protocol import SandboxProvider
from pytest_2501bench.scenario.model import CustomRule, RuleFields
from pytest_2501bench.scenario.rule_type import RuleType
from pytest_2501bench.scoring.model import Finding, Span

# ---- a validator: {"label": …, "validator": "command_count", "max": 20} -------------------------------------------


class CommandCount(RuleFields):
    """The rule's fields in scenario.json, beside label, required and negate. Others are refused."""

    validator: Literal["command_count"]
    max: Annotated[int, Field(ge=0)]


def command_count(rule: CustomRule, evidence: Evidence) -> Finding:
    """Hold when all tasks together ran at most ``max`` commands. Pure: the same evidence gives the same verdict."""
    wanted = CommandCount.model_validate(rule.model_dump())
    job = evidence.job
    if job is None or job.tasks is None or any(task.executed_commands is None for task in job.tasks):
        # Neither passed nor failed: nobody told us what ran.
        return Finding(holds=None, reason="no evidence: the engine gave no executed_commands of some task")
    count = sum(len(task.executed_commands or ()) for task in job.tasks)
    return Finding(
        holds=count <= wanted.max,
        reason=f"{count} commands, {wanted.max} at most",
        span=Span(source="tasks", text=f"{count} commands"),
    )


def pytest_2501bench_validators(config: pytest.Config) -> Mapping[str, RuleType]:
    return {"command_count": RuleType(model=CommandCount, evaluate=command_count)}


# ---- a third check: an item of its own beside the two gates -------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("cost_budget_usd", "what one run may cost, in US dollars", default="0.50")


def cost_budget(report: ScenarioReport, pytestconfig: pytest.Config) -> None:
    """Ask for fixtures by name, as every test does, and assert."""
    budget = float(pytestconfig.getini("cost_budget_usd"))
    if report.cost_usd is None:
        pytest.skip("the engine says no cost")
    assert report.cost_usd <= budget, f"the run cost {report.cost_usd:.2f} USD, the budget is {budget:.2f} USD"


def pytest_2501bench_checks(run: Any) -> Mapping[str, Callable[..., Any]]:
    return {"cost_budget": cost_budget}


# ---- a mode: --mode lab, see lab_mode.py ----------------------------------------------------------------------------


def _lab(settings: Settings) -> SandboxProvider:
    from lab_mode import LabProvider

    return LabProvider()


def pytest_2501bench_sandbox_providers(config: pytest.Config) -> Mapping[str, Callable[[Settings], SandboxProvider]]:
    return {"lab": _lab}
