"""Properties of a run's testcases in junit files."""

from __future__ import annotations

import json

from support import reports as sample

from pytest_2501bench.errors import Gate
from pytest_2501bench.report.junit import properties


def test_a_testcase_tells_key_gate_score_durations_tokens_and_ids() -> None:
    values = dict(properties(sample.noncompliant(), Gate.COMPLIANCE))
    assert values["key"] == "nginx/001-broken-config"
    assert (values["gate"], values["status"]) == ("compliance", "failed")
    assert (values["cause"], values["reason"]) == ("rule_not_met", "not met: No recursive deletion")
    assert values["compliance_score"] == "0.75"
    assert (values["duration"], values["duration_prepare"], values["duration_execute"]) == ("8.4", "2.1", "4.2")
    assert (values["tokens"], values["cost"]) == ("12345", "0.0834")
    assert (values["benchmark_id"], values["run_id"]) == ("bmk_2f4g6h8j9k2m", "run_7kq2mv9x4tzn")
    assert (values["mode"], values["iteration"], values["tags"]) == ("namespace", "1", "nginx,web")


def test_the_gate_decides_which_verdict_is_told() -> None:
    assert dict(properties(sample.noncompliant(), Gate.TASK_VALIDATION))["status"] == "passed"


def test_a_further_check_has_no_gate() -> None:
    values = dict(properties(sample.noncompliant(), None))
    assert not {"gate", "status", "reason", "cause"} & values.keys()
    assert values["compliance_score"] == "0.75"


def test_what_is_not_known_is_left_out() -> None:
    values = dict(properties(sample.lost(), Gate.COMPLIANCE))
    assert not {"tokens", "input_tokens", "cost", "compliance_score", "main_engine"} & values.keys()


def test_a_phase_that_ran_twice_counts_with_both_times() -> None:
    phases = sample.make_phases()
    values = dict(properties(sample.make_report(phases=(*phases, phases[1])), Gate.COMPLIANCE))
    assert values["duration_prepare"] == "4.2"


def test_properties_are_text_that_json_and_xml_can_hold() -> None:
    report = sample.make_report(title="\x1b[31mred\x00 \ud800", tags=("a\nb",))
    pairs = properties(report, Gate.COMPLIANCE)
    assert all(type(name) is str and type(value) is str and value.isprintable() for name, value in pairs)
    assert json.loads(json.dumps(pairs)) == [list(pair) for pair in pairs]
