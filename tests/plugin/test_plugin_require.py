"""``--require``: the verdict on all runs of a scenario decides, and single red runs inside it do not."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planned import FILE, LOST, RED, outcomes
from support.plugin_project import Project

from pytest_2501bench.requirements import parse_all, settled_early
from pytest_2501bench.scoring.model import Status


@pytest.fixture
def planned(project: Project) -> Project:
    project.scenario("disk/001", tags=["storage"])
    return project


def test_red_runs_inside_a_fulfilled_requirement_do_not_fail_the_session(planned: Project) -> None:
    arguments = outcomes(planned, *["green"] * 3, RED)
    outcome = planned.run(*arguments, "--require", "pass-rate>=0.75", "--junitxml", "junit.xml")
    outcome.counts(passed=8, xfailed=1)  # four compliance, three task validation, one verdict
    assert outcome.status == 0
    assert "disk/001 PASSED\n  pass-rate>=0.75 met: 3 of 4 (75 %), true rate 30 % to 95 %" in outcome.out
    assert "task validation FAILED" in outcome.out, "a red run is shown all the same"
    cases = ET.parse(planned.root / "junit.xml").getroot().iter("testcase")
    (verdict,) = [case for case in cases if case.get("name") == "verdict"]
    properties = {each.get("name"): each.get("value", "") for each in verdict.iter("property")}
    assert properties["requirement"].startswith("pass-rate>=0.75 met")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_a_requirement_that_is_not_met_fails_the_verdict_and_only_it(
    planned: Project, workers: tuple[str, ...]
) -> None:
    arguments = outcomes(planned, "green", RED, RED)
    outcome = planned.run(*arguments, *workers, "--require", "pass-rate>=0.5", apart=bool(workers))
    outcome.counts(passed=4, xfailed=2, failed=1)
    assert outcome.status == 1
    assert f"FAILED {FILE}::verdict" in outcome.out
    assert "pass-rate>=0.5 not met: 1 of 3 (33 %)" in outcome.out
    assert sum(planned.runs().values()) == 3


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_too_many_lost_runs_make_the_verdict_an_error(planned: Project, workers: tuple[str, ...]) -> None:
    arguments = outcomes(planned, "green", LOST, "green")
    outcome = planned.run(*arguments, *workers, "--require", "both>=0.5", apart=bool(workers))
    outcome.counts(passed=4, xfailed=2, errors=1)
    assert "both>=0.5 inconclusive: 2 of 2 (100 %)" in outcome.out
    assert "1 lost to infrastructure" in outcome.out


def test_a_gate_that_no_requirement_is_about_fails_as_ever(planned: Project) -> None:
    outcome = planned.run(*outcomes(planned, "green", RED), "--require", "compliance>=0.5")
    outcome.counts(passed=4, failed=1)
    assert "pass-rate" not in outcome.out.split("required of all runs")[1]


def test_a_requirement_with_a_tag_is_for_scenarios_with_it(planned: Project) -> None:
    planned.scenario("web/001", tags=["web"])
    out = planned.run("--collect-only", "-q", "--require", "storage:both>=0.9").out
    assert f"{FILE}::verdict" in out
    assert "web/001/scenario.json::verdict" not in out


def test_iterations_that_can_change_nothing_are_skipped(planned: Project) -> None:
    arguments = outcomes(planned, *[RED] * 3, *["green"] * 5)
    outcome = planned.run(*arguments, "--require", "both>=0.75", "--stop-when-decided", "-rs")
    assert sum(planned.runs().values()) == 3  # of 8 runs 6 must pass
    outcome.counts(failed=1, xfailed=3, passed=3, skipped=10)
    assert "both>=0.75 is not met after 3 of 8 runs" in outcome.out


def test_variants_of_a_matrix_have_verdicts_of_their_own(planned: Project) -> None:
    arguments = [*outcomes(planned, "green", RED), "--iter", "1", "--matrix", "main-engine=a,b"]
    outcome = planned.run(*arguments, "--require", "pass-rate>=1")
    outcome.counts(passed=4, xfailed=1, failed=1)
    assert f"FAILED {FILE}::verdict@b" in outcome.out


def test_a_verdict_without_its_runs_is_skipped_and_says_so(planned: Project) -> None:
    outcome = planned.run(f"{FILE}::verdict", "--require", "both>=0.9", "-rs")
    outcome.counts(skipped=1)
    assert "no run of this scenario was made in this session" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--require", "pas-rate>=0.9"], "'pas-rate' is no quantity; did you mean 'pass-rate'?"),
        (["--require", "pass-rate=0.9"], "must be like pass-rate>=0.9"),
        (["--require", "pass-rate>=90"], "the number must be between 0 and 1"),
        (["--stop-when-decided"], "--stop-when-decided: needs --require"),
        (
            ["--require", "both>=1", "-n", "2", "--dist", "loadfile"],
            "--require and --fail-on-regression need --dist load",
        ),
    ],
)
def test_a_wrong_requirement_is_one_line(planned: Project, arguments: list[str], said: str) -> None:
    outcome = planned.run(*arguments, apart="-n" in arguments)
    assert said in outcome.usage_error()


class Run:
    """As much of a report as a requirement looks at."""

    def __init__(self, status: Status) -> None:
        self.status = status
        self.task_validation = self.compliance = type("Gate", (), {"status": status})()


STATUSES = st.lists(st.sampled_from([Status.PASSED, Status.FAILED]), min_size=1, max_size=12)


@given(STATUSES, st.sampled_from(["both>=0.8", "pass-rate>=0.5", "pass^2>=0.5", "pass@2>=0.9"]), st.integers(0, 11))
def test_what_is_decided_early_is_what_all_runs_decide(statuses: list[Status], text: str, seen: int) -> None:
    from pytest_2501bench.requirements import judgements

    requirements = parse_all([text])
    runs = [Run(status) for status in statuses]
    early = settled_early(requirements, runs[:seen], len(runs))
    (final,) = judgements(requirements, runs)
    if early is not None:
        assert early.startswith(f"{text} is {final.verdict} after")
