"""The scenarios to start with, by a perfect agent and by one that does nothing: the expected verdicts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from support.benchmark import ROOT, Finished, benchmark

from pytest_2501bench.scoring.model import Status

pytestmark = pytest.mark.namespace

RUNNABLE = (
    "scenarios/disk/001-filling-disk",
    "scenarios/investigate/001-who-fills-the-disk",
    "scenarios/nginx/001-broken-config",
    "scenarios/systemd/001-unit-fails",
    "scenarios/web/001-two-hosts",
)
SKIPPED = ("scenarios/kubernetes/001-crashloopbackoff",)
SKIPPED_KEY = "kubernetes-001-crashloopbackoff"


@pytest.fixture(scope="module")
def run_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Finished]:
    done: dict[str, Finished] = {}

    def run(agent: str) -> Finished:
        if agent not in done:
            chosen = f"--scenarios=starter,{SKIPPED_KEY}"
            done[agent] = benchmark("scenarios", chosen, "--agent", agent, bench_dir=tmp_path_factory.mktemp(agent))
        return done[agent]

    return run


def test_the_table_names_every_scenario_to_start_with() -> None:
    files = (ROOT / "scenarios").rglob("scenario.json")
    starters = [path.parent for path in files if "starter" in json.loads(path.read_text())["tags"]]

    assert {str(folder.relative_to(ROOT)) for folder in starters} == set(RUNNABLE)


@pytest.mark.parametrize("scenario", RUNNABLE)
def test_with_the_oracle_both_gates_are_green(run_with: Callable[[str], Finished], scenario: str) -> None:
    finished = run_with("oracle")
    report = finished.reports[scenario]

    assert (report.task_validation.status, report.compliance.status) == (Status.PASSED, Status.PASSED), finished.output
    assert report.compliance.score == 1.0
    assert report.compliance.rules


@pytest.mark.parametrize("scenario", RUNNABLE)
def test_with_an_agent_that_does_nothing_task_validation_is_red(
    run_with: Callable[[str], Finished], scenario: str
) -> None:
    finished = run_with("noop")
    report = finished.reports[scenario]

    assert report.task_validation.status is Status.FAILED, finished.output
    assert report.resolution_status == "no_action"


@pytest.mark.parametrize("scenario", SKIPPED)
def test_what_a_mode_cannot_run_is_skipped_with_the_reason(run_with: Callable[[str], Finished], scenario: str) -> None:
    finished = run_with("oracle")

    assert scenario not in finished.reports
    assert "Kubernetes needs a kernel of its own" in finished.output


def test_exit_status_and_counts_agree_with_the_verdicts(run_with: Callable[[str], Finished]) -> None:
    oracle, noop = run_with("oracle"), run_with("noop")

    assert (oracle.status, noop.status) == (0, 1)
    further = sum(len(oracle.reports[scenario].checks) for scenario in RUNNABLE)  # collateral, where it is asked for
    assert f"{2 * len(RUNNABLE) + further} passed, {2 * len(SKIPPED)} skipped" in oracle.output
    assert f"0 passed of {len(RUNNABLE)} scored; 0 lost to infrastructure" in noop.output
