"""Other plugins and conftest.py files add modes, gateways, rule types, checks and reports of their own."""

from __future__ import annotations

import pytest
from support.plugin_project import FOUND, Project
from syrupy.assertion import SnapshotAssertion

VALIDATOR = """
from pytest_2501bench.scenario.model import RuleFields
from pytest_2501bench.scenario.rule_type import RuleType
from pytest_2501bench.scoring.model import Finding, Span
from typing import Literal

class AtMostTokens(RuleFields):
    validator: Literal["at_most_tokens"]
    tokens: int

def evaluate(rule, evidence):
    if evidence.job is None or evidence.job.tasks is None:
        return Finding(holds=None, reason="no tasks")
    used = sum((task.input_tokens or 0) + (task.output_tokens or 0) for task in evidence.job.tasks)
    return Finding(holds=used <= rule.tokens, reason=f"{used} tokens, at most {rule.tokens}")

def pytest_2501bench_validators(config):
    return {"at_most_tokens": RuleType(AtMostTokens, evaluate)}
"""


def test_a_mode_and_a_gateway_of_another_plugin(project: Project) -> None:
    project.scenario("nginx/001")
    project.run("--mode", "fake", "--gateway", "fake").counts(passed=2)
    report = project.report()
    assert (report.mode, report.gateway) == ("fake", "fake")
    assert project.calls()[:3] == ["gateway.preflight", "provider.create host-01", "gateway.register"]
    assert project.calls()[-2:] == ["provider.destroy", f"gateway.close {project.calls('gateway.close')[0]}"]


@pytest.mark.parametrize(("limit", "passed"), [(120, True), (119, False)])
def test_a_rule_type_of_another_plugin(project: Project, limit: int, passed: bool) -> None:
    project.conftest(VALIDATOR)
    rule = {"label": "thrifty", "validator": "at_most_tokens", "tokens": limit}
    project.scenario("nginx/001", validation={"job": [rule]})
    outcome = project.run()
    outcome.counts(**({"passed": 2} if passed else {"passed": 1, "failed": 1}))
    assert [result.reason for result in project.report().compliance.rules] == [f"120 tokens, at most {limit}"]
    assert f"120 tokens, at most {limit}" in outcome.out or passed


def test_a_rule_type_of_another_plugin_is_read_as_strictly_as_ours(
    project: Project, snapshot: SnapshotAssertion
) -> None:
    project.conftest(VALIDATOR)
    rules = [
        {"label": "thrifty", "validator": "at_most_tokens", "tokens": "many"},
        {"label": "thrifty", "validator": "at_most_tokens", "token": 3},
        {"label": "thrifty", "validator": "at_most_token", "tokens": 3},
    ]
    project.scenario("nginx/001", validation={"job": rules})
    assert project.run().collection_errors() == snapshot


def test_a_third_check_is_an_item_of_its_own_and_stored(project: Project) -> None:
    project.conftest("""
import pytest

def quick(report):
    assert report.seconds < 60

def cheap(report, evidence, scenario, bench_settings):
    assert bench_settings.mode == "fake"
    assert report.tokens < 100, f"{report.tokens} tokens for {scenario.scenario.key}"

def later(report):
    pytest.skip("not today")

def pytest_2501bench_checks(run):
    assert run.iteration == 1
    return {"quick": quick, "cheap": cheap, "later": later} if run.loaded.scenario.key.startswith("nginx") else {}
""")
    project.scenario("nginx/001")
    project.scenario("disk/001")
    outcome = project.run("-v")
    outcome.counts(passed=5, failed=1, skipped=1)
    outcome.result.stdout.fnmatch_lines(["*run1::task_validation*", "*run1::compliance*", "*run1::quick*", "*::cheap*"])
    reports = {report.key: report for report in project.reports()}
    checks = {check.name: (check.status.value, check.reason) for check in reports["nginx/001"].checks}
    assert checks.keys() == {"quick", "cheap"}  # what was skipped has no verdict
    assert checks["quick"] == ("passed", "")
    assert checks["cheap"][0] == "failed"
    assert "120 tokens for nginx/001" in checks["cheap"][1]
    assert reports["nginx/001"].status.value == "passed"  # a further check does not decide
    assert reports["disk/001"].checks == ()
    assert set(project.runs().values()) == {1}
    assert "further checks not passed: 1" in outcome.out


def test_a_third_check_alone_still_makes_the_whole_run_once(project: Project) -> None:
    project.conftest("""
def quick(report):
    assert report.compliance.status == "passed"

def pytest_2501bench_checks(run):
    return {"quick": quick}
""")
    project.scenario("nginx/001")
    project.run("scenarios/nginx/001/scenario.json::run1::quick").counts(passed=1)
    assert project.runs() == {"nginx/001": 1}
    assert project.report().compliance.status == "passed"


def test_run_finished_comes_once_per_run_with_the_sandbox_still_there(project: Project) -> None:
    project.conftest("""
import os

def pytest_2501bench_run_finished(run, report):
    with open("finished.txt", "a") as file:
        file.write(f"{report.key} {run.name} {report.status} {len(os.listdir('alive'))}\\n")
""")
    project.scenario("nginx/001")
    project.run("--iter", "2").counts(passed=4)
    assert (project.root / "finished.txt").read_text() == "nginx/001 run1 passed 1\nnginx/001 run2 passed 1\n"


def test_run_finished_that_raises_is_an_error_and_the_verdict_stands(project: Project) -> None:
    project.conftest("""
def pytest_2501bench_run_finished(run, report):
    raise RuntimeError("a plugin's fault")
""")
    project.scenario("nginx/001")
    outcome = project.run()
    outcome.counts(errors=2)
    assert "a plugin's fault" in outcome.out
    assert project.report().status.value == "passed"
    assert project.left() == []


def test_report_comes_once_per_session_with_every_run(project: Project) -> None:
    project.conftest("""
def pytest_2501bench_report(config, benchmark, reports):
    with open("report.txt", "a") as file:
        keys = " ".join(f"{r.key}-{r.iteration}" for r in reports)
        file.write(f"{benchmark.mode} {benchmark.finished_at is not None} {keys}\\n")
""")
    project.scenario("nginx/001")
    project.scenario("disk/001")
    project.run("--iter", "2").counts(passed=8)
    assert (project.root / "report.txt").read_text() == "fake True disk/001-1 disk/001-2 nginx/001-1 nginx/001-2\n"


def test_report_comes_also_without_a_terminal(project: Project) -> None:
    project.conftest("""
def pytest_2501bench_report(config, benchmark, reports):
    open("report.txt", "a").write(f"{len(reports)}\\n")
""")
    project.scenario("nginx/001")
    project.run("-p", "no:terminal")
    assert (project.root / "report.txt").read_text() == "1\n"


CLASHES = {
    "mode": "def pytest_2501bench_sandbox_providers(config): return {'namespace': None}",
    "gateway": "def pytest_2501bench_gateways(config): return {'fake': None}",
    "agent": "def pytest_2501bench_agents(config): return {'oracle': 'a:b'}",
}


@pytest.mark.parametrize("what", CLASHES)
def test_two_plugins_that_define_the_same_name_are_both_named(
    project: Project, what: str, snapshot: SnapshotAssertion
) -> None:
    project.conftest(CLASHES[what])
    project.scenario("nginx/001")
    assert project.run("--agent", "oracle").usage_error() == snapshot


def test_two_plugins_with_the_same_validator(project: Project, snapshot: SnapshotAssertion) -> None:
    project.conftest(VALIDATOR)
    project.write("other.py", VALIDATOR)
    project.pytester.syspathinsert()
    project.scenario("nginx/001")
    assert project.run("-p", "other").collection_errors() == snapshot


def test_a_validator_must_not_take_the_name_of_one_of_ours(project: Project, snapshot: SnapshotAssertion) -> None:
    project.conftest(VALIDATOR.replace('return {"at_most_tokens"', 'return {"pattern_match"'))
    project.scenario("nginx/001")
    assert project.run().collection_errors() == snapshot


@pytest.mark.parametrize("name", ["quick", "compliance"])
def test_two_checks_of_the_same_name(project: Project, name: str, snapshot: SnapshotAssertion) -> None:
    hook = f"""
def check(report): pass
def pytest_2501bench_checks(run): return {{{name!r}: check}}
"""
    project.conftest(hook)
    if name == "quick":
        project.write("other.py", hook)
        project.pytester.syspathinsert()
    project.scenario("nginx/001")
    assert project.run(*(["-p", "other"] if name == "quick" else [])).collection_errors() == snapshot


def test_hooks_may_take_fewer_arguments_and_return_nothing(project: Project) -> None:
    project.conftest("""
def pytest_2501bench_sandbox_providers(): pass
def pytest_2501bench_gateways(): return None
def pytest_2501bench_agents(): pass
def pytest_2501bench_validators(): return {}
def pytest_2501bench_checks(): pass
def pytest_2501bench_run_finished(): pass
def pytest_2501bench_report(benchmark): pass
""")
    project.scenario("nginx/001")
    project.run().counts(passed=2)


def test_a_hook_with_a_mistyped_name_is_refused_by_pytest(project: Project) -> None:
    # pytest validates hooks by their prefix only for `pytest_`: ours is one of them, so a typing mistake is told.
    project.conftest("def pytest_2501bench_sandbox_provider(config): return {}")
    project.scenario("nginx/001")
    outcome = project.run()
    assert "unknown hook 'pytest_2501bench_sandbox_provider'" in outcome.out
    assert outcome.status != 0


def test_a_gateway_that_breaks_is_a_fault_of_the_extension_not_of_the_agent(project: Project) -> None:
    project.scenario("nginx/001", bench={"outcome": [FOUND]})
    project.fault("gateway.poll", "ValueError", "an extension's fault")
    outcome = project.run()
    outcome.counts(errors=2)
    assert "execute: ValueError: an extension's fault" in outcome.out
    assert "Traceback" not in outcome.out
    report = project.report()
    assert (report.failure_cause, report.failure_phase) == ("harness_bug", "execute")
    (log,) = project.bench_dir.glob("runs/*/*/traceback.log")
    assert "an extension's fault" in log.read_text()
    assert project.left() == []
