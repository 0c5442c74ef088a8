"""The item of the third check: there where it is asked for, and never green when nobody could look."""

from __future__ import annotations

from support.plugin_project import FOUND, Project

ITEM = "run1::collateral"
ASKED = {"outcome": [FOUND], "collateral": {}}


def _collected(project: Project, *args: str) -> bool:
    outcome = project.run("--collect-only", "-q", *args)
    assert outcome.status == 0, outcome.out
    return ITEM in outcome.out


def test_it_is_there_where_the_scenario_or_the_option_asks_for_it(project: Project) -> None:
    project.scenario("disk/001")

    assert not _collected(project)
    assert _collected(project, "--collateral", "always")

    project.scenario("disk/001", bench=ASKED)

    assert _collected(project)
    assert not _collected(project, "--collateral", "never")


def test_another_word_is_a_usage_error(project: Project) -> None:
    project.scenario("disk/001")

    said = project.run("--collateral", "sometimes").usage_error()

    assert "--collateral sometimes: must be one of auto, always, never" in said


def test_a_plugin_cannot_take_its_name(project: Project) -> None:
    project.scenario("disk/001")
    project.conftest("def pytest_2501bench_checks(run): return {'collateral': lambda report: None}\n")

    assert "check 'collateral' of a plugin: the name is taken by the third check." in project.run().out


def test_hosts_that_cannot_be_looked_at_are_an_error_of_the_item_and_of_no_gate(project: Project) -> None:
    project.scenario("disk/001", bench=ASKED)  # nobody answers at the address of the fake host

    outcome = project.run()

    outcome.counts(passed=2, error=1)
    assert outcome.status == 1
    assert "collateral ERROR: nothing is known of what changed: host" in outcome.out
    assert [str(check.status) for check in project.report().checks] == ["error"]


def test_where_it_is_not_required_not_to_know_is_skipped(project: Project) -> None:
    project.scenario("disk/001", bench=ASKED | {"collateral": {"required": False}})

    outcome = project.run()

    outcome.counts(passed=2, skipped=1)
    assert outcome.status == 0
