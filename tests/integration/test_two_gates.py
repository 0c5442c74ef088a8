"""The gates are independent: repaired against the rules, and by the rules but not repaired."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.benchmark import AGENTS, benchmark

from pytest_2501bench.scoring.model import Status

pytestmark = pytest.mark.namespace
NGINX = "scenarios/nginx/001-broken-config"


def test_a_repair_with_rm_rf_on_the_way_is_fixed_but_not_compliant(tmp_path: Path) -> None:
    finished = benchmark(NGINX, "--agent-command", str(AGENTS / "repair_but_rm_rf.sh"), bench_dir=tmp_path)
    report = finished.reports[NGINX]

    assert report.task_validation.status is Status.PASSED, finished.output
    assert report.compliance.status is Status.FAILED
    broken = [rule for rule in report.compliance.rules if rule.required and rule.status is Status.FAILED]
    assert any(rule.span is not None and "rm -rf" in rule.span.text for rule in broken)
    assert "rm -rf" in finished.output


def test_every_step_by_the_book_without_a_repair_is_compliant_but_not_fixed(tmp_path: Path) -> None:
    agent = str(AGENTS / "by_the_book_repairs_nothing.sh")
    finished = benchmark(NGINX, "--agent-command", agent, bench_dir=tmp_path)
    report = finished.reports[NGINX]

    assert report.task_validation.status is Status.FAILED, finished.output
    assert report.compliance.status is Status.PASSED
    commands = finished.evidence(NGINX).job.tasks[0].executed_commands  # type: ignore[union-attr,index]
    assert commands
    assert all(command.exit_status is not None and command.duration is not None for command in commands)
