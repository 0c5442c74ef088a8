"""What a session looks like on a terminal, without colour."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from support import reports as sample
from syrupy.assertion import SnapshotAssertion

from pytest_2501bench.errors import Cause, Gate
from pytest_2501bench.report.figures import percent, seconds
from pytest_2501bench.report.findings import Artifacts, find, rerun_command
from pytest_2501bench.report.lines import Style, as_text, write_lines
from pytest_2501bench.report.table import results_table
from pytest_2501bench.report.terminal import SHOWN, gate_message, header, run_line, summary
from pytest_2501bench.report.totals import totals
from pytest_2501bench.scoring.model import Span

ARTIFACTS = Artifacts(database=".2501bench/results.db", junit="junit.xml", html="report.html")
SKIPPED = (
    ("kubernetes/001-crashloopbackoff", "template debian-k3s needs nested containers, which mode namespace lacks"),
)
NASTY = st.text(alphabet=st.one_of(st.characters(categories=None), st.sampled_from("\x1b[;?lh]\r\n|`")), max_size=40)


def shown(reports: list[Any], width: int = 80, **keywords: Any) -> str:
    return as_text(summary(reports, sample.make_benchmark(), ARTIFACTS, width=width, **keywords))


def test_a_session_ends_with_table_rates_red_gates_losses_and_paths(snapshot: SnapshotAssertion) -> None:
    assert shown(sample.session(), skipped=SKIPPED) == snapshot


def test_a_wide_terminal_wraps_less(snapshot: SnapshotAssertion) -> None:
    assert shown(sample.session(), width=140, skipped=SKIPPED) == snapshot


def test_a_green_session_is_short(snapshot: SnapshotAssertion) -> None:
    assert shown([sample.make_report(), sample.make_report("disk/001-filling-disk")]) == snapshot


def test_a_session_that_only_skipped_says_why() -> None:
    text = shown([], skipped=SKIPPED)
    assert "skipped: 1" in text
    assert "nested containers" in text
    assert "pass rate" not in text


@pytest.mark.parametrize("width", [80, 120])
def test_each_run_has_a_line_with_both_gates(width: int, snapshot: SnapshotAssertion) -> None:
    assert as_text([line for run in sample.session() for line in run_line(run, width=width)]) == snapshot


@pytest.mark.parametrize("width", [80, 100, 120])
def test_run_lines_and_table_fit_the_terminal(width: int) -> None:
    lines = [line for run in sample.session() for line in run_line(run, width=width)]
    lines += results_table(sample.session(), width)
    assert max(sum(cell_len(part.text) for part in line) for line in lines) <= width


def test_a_long_key_is_broken_and_never_shortened() -> None:
    key = "database/" + "-".join(["replication"] * 9) + "/" + "x" * 90
    rows = as_text(results_table([sample.make_report(key)], 80)).splitlines()[3:]
    assert "".join([rows[0].split()[0], *rows[1:]]) == key
    assert max(map(len, rows)) <= 80


def test_wide_characters_keep_the_columns_aligned() -> None:
    rows = as_text(results_table([sample.make_report("磁盘/001"), sample.make_report("disk/001")], 80)).splitlines()[3:]
    assert len({cell_len(row[: row.index("run1")]) for row in rows}) == 1


def test_many_runs_are_shown_per_scenario() -> None:
    runs = [sample.make_report(iteration=number) for number in range(1, 60)]
    runs += [sample.lost(), sample.unrepaired()]
    rows = as_text(results_table(runs, 100)).splitlines()[3:]
    assert [row.split()[:3] for row in rows] == [
        ["nginx/001-broken-config", "60", "59/60"],
        ["web/001-two-hosts", "1", "0/0"],
    ]
    assert "(1 lost)" in rows[1]


def test_tokens_and_cost_have_no_column_while_no_engine_tells() -> None:
    heading = as_text(results_table([sample.make_report()], 80)).splitlines()[1]
    assert "tokens" not in heading
    assert "cost" not in heading
    heading = as_text(results_table([sample.noncompliant()], 80)).splitlines()[1]
    assert heading.endswith("tokens     cost")


def test_after_many_findings_the_rest_is_counted() -> None:
    text = shown([sample.noncompliant()] * (SHOWN + 3))
    assert f"red gates: {SHOWN + 3}" in text
    assert text.count("· compliance FAILED") == SHOWN
    assert "… and 3 more" in text


def test_every_rate_has_its_denominator_and_what_was_lost() -> None:
    rates = totals(sample.session()).rates
    assert [(rate.name, rate.value, rate.basis) for rate in rates] == [
        ("pass rate", "60 %", "3 passed of 5 scored; 1 lost to infrastructure"),
        ("compliance rate", "50 %", "2 passed of 4 scored; 1 lost to infrastructure, 1 without evidence"),
        ("both gates", "25 %", "1 passed of 4 scored; 1 lost to infrastructure, 1 without evidence"),
    ]


def test_each_tag_that_tells_scenarios_apart_has_its_rates() -> None:
    def run(key: str, *tags: str, passed: bool = True) -> Any:
        made = sample.make_report() if passed else sample.unrepaired()
        return made.model_copy(update={"key": key, "tags": tags})

    text = shown([run("a", "web", "all"), run("b", "web", "all", passed=False), run("c", "disk", "all")])
    assert "tag web: pass 1/2, compliance 2/2, both gates 1/2" in text
    assert "tag all" not in text  # what all have in common is in the rates above
    assert "tag disk" not in text  # and what only one scenario has, in its line


def test_a_rate_of_nothing_is_not_zero() -> None:
    assert [rate.value for rate in totals([sample.lost()]).rates] == ["-", "-", "-"]


def test_a_red_gate_quotes_rule_evidence_and_the_command_to_look_closer() -> None:
    text = shown([sample.noncompliant()])
    assert "No recursive deletion  /validation/tasks/2" in text
    assert "tasks[0].executed_commands[3]: rm -rf /var/log/nginx/*" in text
    assert "pytest scenarios/nginx/001-broken-config/scenario.json::run1 --mode namespace" in text
    assert ".2501bench/runs/bmk_2f4g6h8j9k2m/run_7kq2mv9x4tzn" in text


def test_a_failed_informational_rule_is_no_red_gate() -> None:
    rule = sample.make_rule("Nice to have", sample.FAILED, required=False)
    compliance = sample.make_gate(Gate.COMPLIANCE, rules=(*sample.COMPLIANT_RULES, rule))
    text = shown([sample.make_report(compliance=compliance)])
    assert "Nice to have" not in text
    assert "PASSED 4/5" in text


def test_one_reason_for_both_gates_is_told_once() -> None:
    found = find([sample.guarded()])
    assert [finding.gate_names for finding in found.red] == ["task validation and compliance"]


def test_a_run_without_hosts_is_lost_and_not_red() -> None:
    found = find([sample.lost()])
    assert (found.red, found.undecided, found.lost) == ((), (), (sample.lost(),))


def test_missing_evidence_is_neither_red_nor_lost() -> None:
    found = find([sample.undecided()])
    assert [finding.gate_names for finding in found.undecided] == ["compliance"]
    assert not found.red
    assert not found.lost


def test_the_command_to_repeat_a_run_survives_a_shell() -> None:
    run = sample.make_report("it's/a $HOME", iteration=3)
    words = shlex.split(rerun_command(run, sample.make_benchmark(main_engine="engine a")))
    assert words == [
        *("pytest", "scenarios/it's/a $HOME/scenario.json::run3", "--mode", "namespace"),
        *("--agent-command", "./agent.sh '--fast lane'", "--main-engine", "engine a", "--iter", "3"),
    ]


def test_the_command_to_repeat_a_run_takes_the_same_way_on_the_same_hosts() -> None:
    settings = {
        "hosts": "lab.ini",
        "record": "auto",
        "bastion": "192.0.2.7",
        "agent_limit": "turns=9",
        "incus_vm": True,
    }
    run = sample.make_report(gateway="servicenow", agent="llm")
    words = shlex.split(rerun_command(run, sample.make_benchmark(settings=settings)))
    assert words[2:] == [
        *("--mode", "namespace", "--hosts", "lab.ini", "--incus-vm", "--agent-limit", "turns=9"),
        *("--bastion", "192.0.2.7", "--gateway", "servicenow", "--agent", "llm"),
    ]


def test_the_message_of_a_failed_gate_names_rule_and_evidence(snapshot: SnapshotAssertion) -> None:
    run = sample.noncompliant()
    assert gate_message(run, run.compliance) == snapshot


def test_a_gate_without_a_verdict_shows_no_score() -> None:
    run = sample.undecided()
    first = gate_message(run, run.compliance).splitlines()[0]
    assert first == "compliance ERROR: no verdict: States a cause before the first change"


def test_the_header_gives_each_setting_with_its_source(snapshot: SnapshotAssertion) -> None:
    rows = [
        ("mode", "namespace", "--mode"),
        ("agent", "oracle", "default"),
        ("scenarios", ("nginx", "disk"), "--scenarios"),
        ("iterations", 5, "BENCH_ITER in the environment"),
        ("main engine", None, "default"),
        ("database", ".2501bench/results.db", "default"),
    ]
    assert as_text(header(rows)) == snapshot


def test_a_setting_without_a_value_is_a_dash_and_a_long_one_is_not_torn() -> None:
    path = "/srv/" + "deep/" * 30 + "results.db"
    lines = as_text(header([("database", path, "default"), ("tags", (), "ini")])).splitlines()
    assert lines == [f"2501bench: database {path} (default),", "           tags - (ini)"]


def test_styles_reach_the_writer_as_its_own_markup() -> None:
    written: list[tuple[str, dict[str, bool]]] = []

    class Writer:
        def write(self, msg: str, /, *, flush: bool = False, **markup: bool) -> None:
            written.append((msg, markup))

    write_lines(Writer(), run_line(sample.noncompliant(), width=120))
    assert ("PASSED", {"green": True}) in written
    assert ("FAILED", {"red": True, "bold": True}) in written
    assert written[-1] == ("\n", {})


def test_words_tell_every_verdict_that_a_colour_tells() -> None:
    lines = [line for run in sample.session() for line in run_line(run)]
    coloured = [part.text for line in lines for part in line if part.style is not Style.PLAIN]
    assert set(coloured) <= {"PASSED", "FAILED", "ERROR", "not scored: lost in prepare"}


@settings(max_examples=60, deadline=None)
@given(NASTY)
def test_no_text_of_an_agent_reaches_the_terminal_as_a_control_character(text: str) -> None:
    rule = sample.make_rule(
        text, sample.FAILED, reason=text, span=Span(source="tasks[0].executed_commands[0]", text=text)
    )
    gate = sample.make_gate(Gate.COMPLIANCE, sample.FAILED, text, rules=(rule,), cause=Cause.RULE_NOT_MET)
    run = sample.make_report(text or "-", status=sample.FAILED, title=text, compliance=gate, warnings=(text,))
    lost = sample.lost().model_copy(update={"failure_message": text, "key": text})
    lines = [*run_line(run), *run_line(lost), *header([(text, text, text)])]
    lines += summary([run, lost], sample.make_benchmark(), ARTIFACTS, skipped=[(text, text)])
    for line in lines:
        for part in line:
            assert part.text.replace("\u200d", "").isprintable()
    assert gate_message(run, gate).replace("\n", "").replace("\u200d", "").isprintable()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0 s"), (8.44, "8.4 s"), (59.96, "1m 00s"), (185, "3m 05s"), (3599.7, "1h 00m"), (7620, "2h 07m")],
)
def test_durations_read_well(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (1, "100 %"), (2 / 3, "66.7 %"), (0.9999, "99.9 %"), (1e-5, "0.1 %")]
)
def test_only_all_is_100_percent_and_only_none_is_0(share: float, text: str) -> None:
    assert percent(share) == text
