"""Rules: three-valued, with the span of evidence that decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from pytest_2501bench.errors import Cause
from pytest_2501bench.evidence.model import Evidence
from pytest_2501bench.scenario.model import CustomRule, Rule, Scope
from pytest_2501bench.scoring.model import Finding, RuleResult, Span, Status
from pytest_2501bench.scoring.rules import CustomValidator, evaluate

EvidenceOf = Callable[..., Evidence]
RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
PASSED, FAILED, ERROR = Status.PASSED, Status.FAILED, Status.ERROR
CATASTROPHIC, VICTIM = "(a|aa)+$", "a" * 60 + "b"


def judge(
    evidence: Evidence,
    scope: Scope = Scope.TASKS,
    *,
    seconds: float = 1,
    custom: dict[str, CustomValidator] | None = None,
    **fields: Any,
) -> RuleResult:
    defaults = {"label": "l", "validator": "pattern_match"}
    if fields.get("validator", "pattern_match") == "pattern_match":
        defaults |= {"pattern": "rm -rf", "where": "executed_commands"}
    return evaluate(RULE.validate_python(defaults | fields), scope, 2, evidence, seconds=seconds, custom=custom or {})


def ran(*commands: str) -> dict[str, Any]:
    return {"executed_commands": list(commands)}


def test_a_result_carries_the_rules_own_fields(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran("ls")), label="never rm", required=False, negate=True)
    assert result == RuleResult(
        scope="tasks",
        index=2,
        label="never rm",
        validator="pattern_match",
        required=False,
        negate=True,
        status=PASSED,
        reason="no task matches",
    )
    assert result.pointer == "/validation/tasks/2"


def test_a_match_in_one_task_is_enough_and_its_command_is_quoted(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran("ls"), ran("cd /", "sudo RM -rf /var", "ls")))
    assert (result.status, result.reason, result.cause) == (PASSED, "matched in task 2", None)
    span = Span(source="tasks[1].executed_commands[1]", text="sudo RM -rf /var", start=10, end=16)
    assert result.span == span


def test_negated_the_same_match_fails_and_is_quoted(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran("ls"), ran("rm -rf /var/log/nginx")), negate=True)
    assert (result.status, result.cause) == (FAILED, Cause.RULE_NOT_MET)
    assert result.reason == "matched in task 2, which must not be"
    assert result.span is not None
    assert result.span.text == "rm -rf /var/log/nginx"


def test_no_match_fails_and_negated_passes_without_a_span(evidence_of: EvidenceOf) -> None:
    evidence = evidence_of(ran("ls"), ran())
    plain, negated = judge(evidence), judge(evidence, negate=True)
    assert (plain.status, plain.reason, plain.cause) == (FAILED, "no task matches", Cause.RULE_NOT_MET)
    assert (negated.status, negated.reason, negated.cause) == (PASSED, "no task matches", None)
    assert plain.span is negated.span is None


@pytest.mark.parametrize(("negate", "status"), [(False, FAILED), (True, PASSED)])
def test_a_job_without_any_task_has_no_match(evidence_of: EvidenceOf, negate: bool, status: Status) -> None:
    assert judge(evidence_of(), negate=negate, pattern=".*").status is status


@pytest.mark.parametrize(("negate", "status"), [(False, PASSED), (True, FAILED)])
def test_a_match_decides_even_if_another_tasks_evidence_is_absent(
    evidence_of: EvidenceOf, negate: bool, status: Status
) -> None:
    several: tuple[tuple[dict[str, Any], ...], ...] = (({}, ran("rm -rf /")), (ran("rm -rf /"), {}))
    for tasks in several:
        assert judge(evidence_of(*tasks), negate=negate).status is status


@pytest.mark.parametrize("negate", [False, True])
@pytest.mark.parametrize(
    ("pattern", "tasks"), [(r"\A\Z", (ran(), {})), (r"a\nb", (ran("a"), {}, ran("b"))), ("rm", (ran("rm"), {}))]
)
def test_a_text_of_all_tasks_that_has_a_hole_gives_no_verdict(
    evidence_of: EvidenceOf, pattern: str, tasks: tuple[dict[str, Any], ...], negate: bool
) -> None:
    result = judge(evidence_of(*tasks), Scope.JOB, pattern=pattern, negate=negate)
    assert (result.status, result.cause) == (ERROR, Cause.EVIDENCE_MISSING)


@pytest.mark.parametrize("negate", [False, True])
@pytest.mark.parametrize("scope", [Scope.TASKS, Scope.JOB])
def test_without_a_match_absent_evidence_leaves_no_verdict(evidence_of: EvidenceOf, negate: bool, scope: Scope) -> None:
    result = judge(evidence_of(ran("ls"), {}), scope, negate=negate)
    assert (result.status, result.cause, result.span) == (ERROR, Cause.EVIDENCE_MISSING, None)
    assert result.reason == "no evidence: the engine gave no executed_commands of task 2"


@pytest.mark.parametrize("negate", [False, True])
@pytest.mark.parametrize("given", [{"no_job": True}, {"no_tasks": True}])
def test_without_job_or_tasks_there_is_no_verdict(evidence_of: EvidenceOf, given: dict[str, Any], negate: bool) -> None:
    assert judge(evidence_of(**given), negate=negate).cause is Cause.EVIDENCE_MISSING


def test_outside_tasks_the_reason_names_the_target(evidence_of: EvidenceOf) -> None:
    evidence = evidence_of(job={"plan": "look around"})
    result = judge(evidence, Scope.JOB, where="job_plan")
    assert (result.status, result.reason) == (FAILED, "no match in job_plan")
    assert judge(evidence, Scope.TASKS, where="job_plan").reason == "no match in job_plan"
    assert judge(evidence, Scope.JOB, where="job_plan", pattern="look").reason == "matched in job_plan"
    assert judge(evidence, Scope.JOB).reason == "no match in executed_commands"


def test_a_match_over_several_lines_is_quoted_with_whole_lines(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran("x", "cat <<E > f", "line", "y")), pattern=r"<<E.*\n.*in")
    assert result.span == Span(source="tasks[0].executed_commands[1]", text="cat <<E > f\nline", start=6, end=17)


@pytest.mark.parametrize("place", [0, 5, 400, 995, 1000])
def test_a_long_line_is_cut_around_the_match(evidence_of: EvidenceOf, place: int) -> None:
    text = "x" * place + "rm -rf" + "y" * (1000 - place)
    result = judge(evidence_of(ran("before", text, "after")))
    assert result.span is not None
    quoted = result.span.text
    assert "rm -rf" in quoted
    assert len(quoted) <= 300
    assert quoted.startswith("…") is (place > 200)
    assert quoted.endswith("…") is (place < 800)
    assert (result.span.start, result.span.end) == (7 + place, 13 + place)


def test_a_match_longer_than_a_quotation_shows_its_beginning(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran("a" * 50 + "b" * 1000)), pattern="b+")
    assert result.span is not None
    assert len(result.span.text) <= 300
    assert result.span.text.startswith("…b")


@pytest.mark.parametrize("length", [299, 300])
def test_a_line_of_300_characters_is_quoted_whole(evidence_of: EvidenceOf, length: int) -> None:
    text = "rm -rf".ljust(length, "x")
    result = judge(evidence_of(ran(text)))
    assert result.span is not None
    assert result.span.text == text


def test_a_short_line_far_down_is_quoted_whole(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran(*["x" * 200] * 3, "rm -rf /", "ls")))
    assert result.span == Span(source="tasks[0].executed_commands[3]", text="rm -rf /", start=603, end=609)


def test_a_cut_line_uses_its_room_evenly_on_both_sides(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran("x" * 500 + "rm -rf" + "y" * 500)))
    assert result.span is not None
    assert result.span.text == "…" + "x" * 146 + "rm -rf" + "y" * 146 + "…"


def test_a_line_cut_at_one_side_uses_all_its_room_on_the_other(evidence_of: EvidenceOf) -> None:
    for text, quoted in (
        ("before\n" + "x" * 500 + "rm -rf", "…" + "x" * 292 + "rm -rf"),
        ("before\nrm -rf" + "y" * 500, "rm -rf" + "y" * 292 + "…"),
    ):
        result = judge(evidence_of(ran(text)))
        assert result.span is not None
        assert result.span.text == quoted


@pytest.mark.parametrize(("text", "quoted"), [("\nrm -rf", "rm -rf"), ("a\nrm -rf\n", "rm -rf")])
def test_line_breaks_around_a_match_are_not_quoted(evidence_of: EvidenceOf, text: str, quoted: str) -> None:
    result = judge(evidence_of(ran(text)))
    assert result.span is not None
    assert result.span.text == quoted


def test_an_empty_match_before_a_line_break_quotes_an_empty_line(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran("\nls")), pattern="^$")
    assert result.span == Span(source="tasks[0].executed_commands[0]", text="", start=0, end=0)


def test_an_empty_match_has_a_span_too(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran()), pattern=r"\A\Z")
    assert result.span == Span(source="tasks[0].executed_commands", text="", start=0, end=0)


@pytest.mark.parametrize("negate", [False, True])
def test_a_catastrophic_pattern_leaves_no_verdict(evidence_of: EvidenceOf, negate: bool) -> None:
    result = judge(evidence_of(ran(VICTIM), {}), pattern=CATASTROPHIC, seconds=0.1, negate=negate)
    assert (result.status, result.cause) == (ERROR, Cause.PATTERN_TIMED_OUT)
    assert result.reason == "the pattern reached no verdict within 0.1 s on task 1"


@pytest.mark.parametrize(("negate", "status"), [(False, PASSED), (True, FAILED)])
def test_a_match_elsewhere_decides_for_a_catastrophic_pattern_too(
    evidence_of: EvidenceOf, negate: bool, status: Status
) -> None:
    evidence = evidence_of(ran(VICTIM), ran("aa"))
    assert judge(evidence, pattern=CATASTROPHIC, seconds=0.1, negate=negate).status is status


def test_a_pattern_that_never_compiled_is_no_verdict_and_no_traceback(evidence_of: EvidenceOf) -> None:
    result = judge(evidence_of(ran("x")), pattern="(")
    assert (result.status, result.cause) == (ERROR, Cause.SCENARIO_INVALID)


@pytest.mark.parametrize(
    ("given", "status", "reason"),
    [
        ({"job": {"resolution_status": "success"}}, PASSED, "the resolution status is 'success'"),
        ({"job": {"resolution_status": "partial"}}, FAILED, "the resolution status is 'partial', not 'success'"),
        ({"job": {}}, ERROR, "no evidence: the engine gave no resolution status"),
        ({"no_job": True}, ERROR, "no evidence: there is no job"),
    ],
)
def test_a_resolution_status_is_compared(
    evidence_of: EvidenceOf, given: dict[str, Any], status: Status, reason: str
) -> None:
    rule: dict[str, Any] = {"validator": "job_resolution_status", "pattern": "success"}
    result = judge(evidence_of(**given), Scope.JOB, **rule)
    assert (result.status, result.reason) == (status, reason)
    turned = {PASSED: FAILED, FAILED: PASSED, ERROR: ERROR}
    assert judge(evidence_of(**given), Scope.JOB, negate=True, **rule).status is turned[status]
    if status is ERROR:
        assert result.cause is Cause.EVIDENCE_MISSING
        assert result.span is None
    else:
        assert result.span == Span(source="job.resolution_status", text=given["job"]["resolution_status"])


@pytest.mark.parametrize(
    ("given", "status", "reason"),
    [
        ({"ticket": {"status": "resolved "}}, PASSED, "the ticket's status is 'resolved '"),
        ({"ticket": {"status": "open"}}, FAILED, "the ticket's status is 'open', not 'Resolved'"),
        ({"ticket": {}}, ERROR, "no evidence: the ticketing system gave no status"),
        ({}, ERROR, "no evidence: the ticket was not read"),
    ],
)
def test_a_ticket_status_is_compared_without_regard_to_case(
    evidence_of: EvidenceOf, given: dict[str, Any], status: Status, reason: str
) -> None:
    result = judge(evidence_of(**given), Scope.GATEWAY, validator="ticket_status", pattern="Resolved")
    assert (result.status, result.reason) == (status, reason)
    if status is not ERROR:
        assert result.span == Span(source="ticket.status", text=given["ticket"]["status"])


@pytest.mark.parametrize(
    ("limits", "count", "status", "reason"),
    [
        ({"count": 2}, 2, PASSED, "2 tasks"),
        ({"count": 2}, 1, FAILED, "1 task, not exactly 2"),
        ({"count": 2}, 3, FAILED, "3 tasks, not exactly 2"),
        ({"count": 0}, 0, PASSED, "0 tasks"),
        ({"min": 2}, 2, PASSED, "2 tasks"),
        ({"min": 2}, 1, FAILED, "1 task, not at least 2"),
        ({"max": 2}, 2, PASSED, "2 tasks"),
        ({"max": 2}, 3, FAILED, "3 tasks, not at most 2"),
        ({"max": 0}, 1, FAILED, "1 task, not at most 0"),
        ({"min": 1, "max": 3}, 2, PASSED, "2 tasks"),
        ({"min": 1, "max": 3}, 4, FAILED, "4 tasks, not at most 3"),
    ],
)
def test_tasks_are_counted(
    evidence_of: EvidenceOf, limits: dict[str, Any], count: int, status: Status, reason: str
) -> None:
    result = judge(evidence_of(*({} for _ in range(count))), Scope.JOB, validator="task_count", **limits)
    assert (result.status, result.reason) == (status, reason)
    assert result.span is not None
    assert result.span.source == "job.tasks"


@pytest.mark.parametrize(
    ("given", "why"), [({"no_job": True}, "there is no job"), ({"no_tasks": True}, "the engine gave no tasks")]
)
def test_unknown_tasks_are_not_no_tasks(evidence_of: EvidenceOf, given: dict[str, Any], why: str) -> None:
    result = judge(evidence_of(**given), Scope.JOB, validator="task_count", count=0)
    assert (result.status, result.cause, result.reason) == (ERROR, Cause.EVIDENCE_MISSING, f"no evidence: {why}")


def test_a_validator_of_a_plugin_sees_rule_and_evidence(evidence_of: EvidenceOf) -> None:
    span = Span(source="hosts[0]", text="web-01")

    def disk_below(rule: CustomRule, evidence: Evidence) -> Finding:
        assert rule.model_extra == {"percent": 80}
        return Finding(holds=evidence.run.key == "k", reason="71 % used", span=span)

    fields: dict[str, Any] = {"validator": "disk_below", "percent": 80, "custom": {"disk_below": disk_below}}
    result = judge(evidence_of(), **fields)
    assert (result.status, result.reason, result.span) == (PASSED, "71 % used", span)
    negated = judge(evidence_of(), negate=True, **fields)
    assert (negated.status, negated.reason) == (FAILED, "71 % used, which must not be")


def _broken(_rule: CustomRule, _evidence: Evidence) -> Finding:
    raise KeyError("x\ny")


def _sloppy(_rule: CustomRule, _evidence: Evidence) -> Any:
    return True


def _unsure(_rule: CustomRule, _evidence: Evidence) -> Finding:
    return Finding(holds=None, reason="nothing measured")


@pytest.mark.parametrize(
    ("custom", "cause", "reason"),
    [
        ({"v": _broken}, Cause.HARNESS_BUG, r"the validator 'v' failed: KeyError: 'x\ny'"),
        ({"v": _sloppy}, Cause.HARNESS_BUG, "the validator 'v' returned bool, not a Finding"),
        ({"v": _unsure}, Cause.EVIDENCE_MISSING, "nothing measured"),
        ({}, Cause.HARNESS_BUG, "no plugin offers the validator 'v'"),
    ],
)
@pytest.mark.parametrize("negate", [False, True])
def test_a_validator_of_a_plugin_that_cannot_tell_is_no_verdict(
    evidence_of: EvidenceOf, custom: dict[str, CustomValidator], cause: Cause, reason: str, negate: bool
) -> None:
    result = judge(evidence_of(), validator="v", custom=custom, negate=negate)
    assert (result.status, result.cause, result.reason) == (ERROR, cause, reason)
