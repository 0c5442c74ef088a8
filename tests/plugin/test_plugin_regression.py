"""``--fail-on-regression``: this session's runs against earlier ones of the same version key."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from support.planned import FILE, RED, outcomes
from support.plugin_project import NEVER, Project

LOST = "lost"


@pytest.fixture
def planned(project: Project) -> Project:
    project.scenario("disk/001", tags=["storage"])
    return project


def flat(text: str) -> str:
    return " ".join(text.split())


def earlier(project: Project, *each: str) -> None:
    """Make a benchmark that came before."""
    project.run(*outcomes(project, *each))


def test_a_flaky_scenario_does_not_fail_and_says_so(planned: Project) -> None:
    earlier(planned, "green", "green", "green", RED, "green")
    outcome = planned.run(*outcomes(planned, "green", RED, "green", "green"), "--fail-on-regression")
    outcome.counts(passed=8, xfailed=1)  # one of them the verdict
    assert outcome.status == 0
    assert (
        "compared with earlier runs\ndisk/001 PASSED\n  flaky: 3 of 4 passed, earlier 4 of 5 (p = 0.72)" in outcome.out
    )


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_runs_that_are_shown_to_be_worse_fail_and_junit_says_why(planned: Project, workers: tuple[str, ...]) -> None:
    earlier(planned, *["green"] * 5)
    arguments = [*outcomes(planned, RED, RED, RED), "--fail-on-regression", "--junitxml", "junit.xml", *workers]
    outcome = planned.run(*arguments, apart=bool(workers))
    outcome.counts(passed=3, xfailed=3, failed=1)
    assert outcome.status == 1
    assert f"FAILED {FILE}::regression" in outcome.out
    assert "regressed: 0 of 3 passed, earlier 5 of 5 (p = 0.018)" in outcome.out
    cases = ET.parse(planned.root / "junit.xml").getroot().iter("testcase")
    (verdict,) = [case for case in cases if case.get("name") == "regression"]
    properties = {each.get("name"): each.get("value", "") for each in verdict.iter("property")}
    assert properties["regression"].startswith("regressed: 0 of 3")


def test_without_earlier_runs_those_of_the_session_decide(planned: Project) -> None:
    red = planned.run(*outcomes(planned, "green", RED), "--fail-on-regression")
    assert red.status == 1
    assert "no earlier runs to compare with: these runs decide by themselves: 1 of 2 passed" in flat(red.out)


def test_too_few_runs_to_show_anything_are_no_free_pass(planned: Project) -> None:
    earlier(planned, "green", "green")
    outcome = planned.run(*outcomes(planned, RED), "--fail-on-regression")
    assert outcome.status == 1
    assert "too few runs to show a regression (earlier 2 of 2)" in flat(outcome.out)


def test_a_change_of_the_rules_starts_anew_and_names_it(planned: Project) -> None:
    earlier(planned, *["green"] * 5)
    planned.scenario("disk/001", tags=["storage"], validation={"tasks": [NEVER]})
    outcome = planned.run(*outcomes(planned, "green", "green", "green"), "--fail-on-regression")
    assert "no earlier runs to compare with; rules changed since the latest: these runs decide by themselves" in flat(
        outcome.out
    )


def test_lost_runs_make_it_an_error(planned: Project) -> None:
    earlier(planned, *["green"] * 5)
    outcome = planned.run(*outcomes(planned, "green", LOST), "--fail-on-regression")
    outcome.counts(passed=2, xfailed=2, errors=1)
    assert "inconclusive: 1 of 1 passed, 1 lost to infrastructure" in outcome.out


def test_a_baseline_is_a_choice_of_runs(planned: Project) -> None:
    earlier(planned, *[RED] * 5)
    earlier(planned, *["green"] * 5)
    arguments = outcomes(planned, RED, RED, RED)
    assert planned.run(*arguments, "--fail-on-regression=last").status == 1
    assert planned.run(*outcomes(planned, RED, RED, RED), "--fail-on-regression=last~2").status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fail-on-regression", "scenarios/"], "put the option after the paths"),
        (["--fail-on-regression=engine=a"], "'engine' is nothing to choose by"),
        (["--fail-on-regression=bmk_none"], "there is no benchmark 'bmk_none'"),
    ],
)
def test_a_wrong_baseline_is_one_line_before_anything_runs(planned: Project, arguments: list[str], said: str) -> None:
    outcome = planned.run(*outcomes(planned, "green"), *arguments)
    assert said in outcome.usage_error()
    assert not planned.runs()
