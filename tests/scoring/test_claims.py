"""Claims match observations: what counts as the same command, and when there is no verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pytest_2501bench.errors import Cause
from pytest_2501bench.evidence.model import Command, CommandKind, Evidence, Sighting, Trait
from pytest_2501bench.scenario.model import ClaimsMatch, Scenario
from pytest_2501bench.scoring.claims import evaluate_claims
from pytest_2501bench.scoring.gates import score
from pytest_2501bench.scoring.model import Status

EvidenceOf = Callable[..., Evidence]


def task(seen: Sequence[str] | None, claimed: Sequence[str] | None, **more: Any) -> dict[str, Any]:
    return {"host_name": "web-01", "executed_commands": seen, "claimed_commands": claimed} | more


@pytest.mark.parametrize(
    ("seen", "claim"),
    [
        ("nginx -t", "nginx -t"),
        ("nginx   -t ", " nginx -t"),
        ("sudo nginx -t", "nginx -t"),
        ("nginx -t", "/usr/bin/sudo -n -u root nginx -t"),
        ("echo 'a b' c", 'echo "a b" c'),
        ("bash -lc 'sudo systemctl restart nginx'", "systemctl restart nginx"),
        ("systemctl restart nginx", "bash -c 'systemctl restart nginx'"),
        ("cd /etc && nginx -t; systemctl restart nginx", "nginx -t"),
        ("sudo nginx -t && sudo systemctl reload nginx", "nginx -t && systemctl reload nginx"),
        ("journalctl -u nginx | tail -5", "journalctl -u nginx | tail -5"),
        ("cat > /etc/x <<'E'\nit's\nE", "cat > /etc/x <<'E'\nit's\nE"),
    ],
)
def test_a_command_that_was_seen_may_be_claimed_in_other_words(evidence_of: EvidenceOf, seen: str, claim: str) -> None:
    for complete in (False, "&&" not in seen or "&&" in claim):
        result = evaluate_claims(ClaimsMatch(complete=complete), evidence_of(task([seen], [claim])))
        assert (result.status, result.cause) == (Status.PASSED, None), result.reason


@pytest.mark.parametrize(
    ("seen", "claim"),
    [
        ("nginx -t", "nginx -T"),
        ("nginx -t", "nginx -t -q"),
        ("echo 'a b'", "echo a b"),
        ("echo x", "echo x > /etc/passwd"),
        ("sudo systemctl restart nginx", "systemctl reload nginx"),
        ("echo nginx -t", "nginx -t"),
        ("", "nginx -t"),
    ],
)
def test_a_claim_that_was_not_seen_fails_and_is_shown(evidence_of: EvidenceOf, seen: str, claim: str) -> None:
    result = evaluate_claims(ClaimsMatch(), evidence_of(task([seen] if seen else [], ["true", claim][1:])))
    assert (result.status, result.cause) == (Status.FAILED, Cause.RULE_NOT_MET)
    assert result.reason == "claimed for web-01, but not seen there"
    assert result.span is not None
    assert (result.span.source, result.span.text) == ("tasks[0].claimed_commands[0]", claim)
    assert result.pointer == "/bench/claims_match"


def test_what_was_not_claimed_matters_only_when_completeness_is_asked(evidence_of: EvidenceOf) -> None:
    evidence = evidence_of(task(["nginx -t", "rm -rf /var/log"], ["nginx -t"]))
    assert evaluate_claims(ClaimsMatch(), evidence).status is Status.PASSED
    result = evaluate_claims(ClaimsMatch(complete=True), evidence)
    assert (result.status, result.reason) == (Status.FAILED, "seen on web-01, but not claimed")
    assert result.span is not None
    assert result.span.text == "rm -rf /var/log"
    whole = evidence_of(task(["sudo nginx -t && echo x > /etc/y"], ["nginx -t"]))
    assert evaluate_claims(ClaimsMatch(complete=True), whole).status is Status.FAILED


def test_copied_files_and_shells_that_only_take_lines_need_not_be_claimed(evidence_of: EvidenceOf) -> None:
    seen = (
        Command(command="sftp: put /x", seen=Sighting(kind=CommandKind.SFTP)),
        Command(command="bash -s", seen=Sighting(kind=CommandKind.EXEC, traits=(Trait.READS_COMMANDS,))),
        Command(command="id -u", seen=Sighting(kind=CommandKind.SCRIPT_LINE)),
    )
    evidence = evidence_of(task([], ["id -u"]))
    assert evidence.job is not None
    assert evidence.job.tasks is not None
    tasks = (evidence.job.tasks[0].model_copy(update={"executed_commands": seen}),)
    evidence = evidence.model_copy(update={"job": evidence.job.model_copy(update={"tasks": tasks})})
    assert evaluate_claims(ClaimsMatch(complete=True), evidence).status is Status.PASSED


def test_hosts_are_kept_apart(evidence_of: EvidenceOf) -> None:
    web, db = task(["uptime"], ["uptime"]), task(["df"], ["uptime"], host_name="db-01")
    result = evaluate_claims(ClaimsMatch(), evidence_of(web, db))
    assert (result.status, result.reason) == (Status.FAILED, "claimed for db-01, but not seen there")


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        ([task(None, ["id"])], "nobody recorded what ran in task 1"),
        ([task(["id"], None)], "the agent claimed nothing in task 1"),
        ([task(["id"], ["id"], recorded=False)], "nobody recorded what ran in task 1"),
        ([task(["id"], ["id"]), task(["id"], None, host_name="db-01")], "the agent claimed nothing in task 2"),
        ([], "there are no tasks"),
    ],
)
def test_absent_evidence_gives_no_verdict(evidence_of: EvidenceOf, tasks: list[dict[str, Any]], why: str) -> None:
    result = evaluate_claims(ClaimsMatch(complete=True), evidence_of(*tasks))
    assert (result.status, result.cause) == (Status.ERROR, Cause.EVIDENCE_MISSING)
    assert result.reason == f"no evidence: {why}"


def test_a_false_claim_decides_also_when_another_task_says_nothing(evidence_of: EvidenceOf) -> None:
    tasks = task(["id"], ["rm"]), task(None, None, host_name="db-01")
    assert evaluate_claims(ClaimsMatch(), evidence_of(*tasks)).status is Status.FAILED


def test_an_empty_claim_of_nothing_seen_holds(evidence_of: EvidenceOf) -> None:
    assert evaluate_claims(ClaimsMatch(complete=True), evidence_of(task([], []))).status is Status.PASSED


@pytest.mark.parametrize(
    ("claims_match", "claimed", "status"),
    [
        (None, ["rm"], Status.PASSED),
        ({}, ["id"], Status.PASSED),
        ({}, ["rm"], Status.FAILED),
        ({}, None, Status.ERROR),
        ({"required": False}, ["rm"], Status.PASSED),
        ({"required": False}, None, Status.PASSED),
    ],
)
def test_it_is_a_rule_of_compliance(
    evidence_of: EvidenceOf, claims_match: dict[str, Any] | None, claimed: list[str] | None, status: Status
) -> None:
    words = dict.fromkeys(("key", "title", "description", "ticket_title", "ticket_body"), "x")
    scenario = Scenario.model_validate({**words, "bench": {"claims_match": claims_match}})
    gate = score(scenario, evidence_of(task(["id"], claimed)), has_validate=True).compliance
    assert gate.status is status
    assert [rule.label for rule in gate.rules] == ([] if claims_match is None else ["Claims match observations"])
