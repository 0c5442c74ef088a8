"""A run's section in a pytest-html report: complete, escaped, self-contained."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import reports as sample
from syrupy.assertion import SnapshotAssertion

from pytest_2501bench.errors import Cause, Gate
from pytest_2501bench.evidence.model import Command, JobRecord, TaskRecord
from pytest_2501bench.report.html import header_cells, row_cells, section_extras
from pytest_2501bench.report.html_section import LONGEST, MOST, rates_table, run_section, stylesheet
from pytest_2501bench.report.junit import properties
from pytest_2501bench.report.plain import printable
from pytest_2501bench.scoring.model import Span

HOSTILE = st.text(
    alphabet=st.one_of(st.characters(categories=None), st.sampled_from("<>&\"'{}%#/\x1b\x00")), max_size=30
)
VOID = {"br"}


class Page(HTMLParser):
    """Checks that tags are balanced, and gathers tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def section(*commands: str, whole: bool | None = None, gate: Gate = Gate.TASK_VALIDATION) -> str:
    run = sample.noncompliant()
    return run_section(run, sample.make_evidence(commands, report=run), gate, whole=whole)


def test_the_section_of_a_run(snapshot: SnapshotAssertion) -> None:
    assert section("<script>alert(1)</script>") == snapshot


def test_a_command_cannot_become_a_tag() -> None:
    html = section("<script>alert(1)</script>", "</pre></div><img src=x onerror=alert(1)>")
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_timeline_rules_playbooks_commands_and_messages_are_all_there() -> None:
    page = Page(section())
    for words in (
        "prepare 2.1 s",
        "execute 4.2 s",
        "No recursive deletion",
        "/validation/tasks/2",
        "tasks[0].executed_commands[3]",
        "validate.yml",
        "systemctl status nginx",
        "+2.8 s",
        "I remove old logs to make room.",
        "Test a configuration before a reload.",
        "Customers see an error page since 9:40.",
        "12,345",
        "$0.0834",
    ):
        assert words in " ".join(page.text.split())


def test_the_whole_run_stands_with_task_validation_and_compliance_shows_its_rules_alone() -> None:
    html = section(gate=Gate.COMPLIANCE)
    assert "No recursive deletion" in html
    assert "systemctl status nginx" not in html
    assert "scenario.json::run1::task_validation" in html
    assert "systemctl status nginx" in section(gate=Gate.COMPLIANCE, whole=True)


def test_a_run_that_was_lost_tells_where_and_why() -> None:
    text = " ".join(Page(run_section(sample.lost(), None, Gate.TASK_VALIDATION)).text.split())
    assert "ERROR prepare_failed in prepare: prepare.yml: task 'start the database'" in text
    assert "WARNING tried again after: the host does not answer SSH" in text


def test_what_the_engine_did_not_say_differs_from_nothing() -> None:
    def with_commands(commands: tuple[Command, ...] | None) -> str:
        task = TaskRecord(id="tsk_1", status="completed", executed_commands=commands)
        job = JobRecord(id="job_1", status="completed", finished=True, tasks=(task,))
        evidence = sample.make_evidence().model_copy(update={"job": job})
        return run_section(sample.make_report(), evidence, Gate.TASK_VALIDATION)

    assert "The engine gave no executed commands." in with_commands(None)
    assert "No command was executed." in with_commands(())


def test_endless_output_is_cut_and_the_cut_is_told() -> None:
    html = section("x" * (LONGEST + 1234), *["true"] * MOST)
    assert "1,234 more characters" in html
    assert "and 5 more in the run" in html
    assert html.count("<code>true</code>") == MOST - 5
    assert len(html) < 200_000


def test_a_section_needs_no_other_file_and_no_script() -> None:
    html = stylesheet() + section() + rates_table(sample.session())
    assert not re.search(r"https?:|src=|url\(|@import|<script|<link|\son\w+=", html)


@settings(max_examples=80, deadline=None)
@given(HOSTILE)
@example("{{ 7 * 7 }}")
@example('"><script>alert(1)</script>')
@example("</details></div>")
@example("&lt;")
def test_any_text_of_an_agent_stays_text(text: str) -> None:
    rule = sample.make_rule(text, sample.FAILED, reason=text, span=Span(source=text, text=text))
    gate = sample.make_gate(Gate.COMPLIANCE, sample.FAILED, text, rules=(rule,), cause=Cause.RULE_NOT_MET)
    phases = tuple(phase.model_copy(update={"message": text}) for phase in sample.make_phases())
    run = sample.make_report(text, title=text, compliance=gate, warnings=(text,), phases=phases)
    calm = sample.make_report("k", title="t", compliance=gate.model_copy(update={"reason": "r"}), warnings=("w",))
    page = Page(run_section(run, sample.make_evidence((text,), report=run), Gate.TASK_VALIDATION))
    expected = Page(run_section(calm, sample.make_evidence(("x",), report=calm), Gate.TASK_VALIDATION))
    assert page.tags == expected.tags
    assert page.attributes == expected.attributes
    assert printable(text) in page.text
    assert page.text.replace("\n", "").replace("\u200d", "").isprintable()


def test_columns_come_from_user_properties_as_xdist_sends_them() -> None:
    sent = json.loads(json.dumps(properties(sample.noncompliant(), Gate.COMPLIANCE)))
    cells = [re.sub(r"<span hidden>.*?</span>|<[^>]+>", "", cell) for cell in row_cells(sent)]
    assert cells == ["nginx/001-broken-config run1", "compliance", "75 %", "8.4 s", "12,345"]


def test_the_score_stands_with_compliance_only_and_not_without_a_verdict() -> None:
    assert (
        row_cells(properties(sample.noncompliant(), Gate.TASK_VALIDATION))[2] == '<td class="col-benchCompliance"></td>'
    )
    assert row_cells(properties(sample.undecided(), Gate.COMPLIANCE))[2] == '<td class="col-benchCompliance"></td>'


@pytest.mark.parametrize("foreign", [(), [("key", "of another plugin")], [("a", 1)]])
def test_another_plugins_test_has_empty_cells(foreign: list[tuple[str, object]]) -> None:
    assert [re.sub("<[^>]+>", "", cell) for cell in row_cells(foreign)] == [""] * len(header_cells())


def test_hidden_digits_make_pytest_htmls_text_order_the_numeric_one() -> None:
    def cell(tokens: int) -> str:
        return row_cells(properties(sample.make_report(input_tokens=tokens), Gate.COMPLIANCE))[4]

    assert sorted([cell(900), cell(12_000), cell(100_000)]) == [cell(900), cell(12_000), cell(100_000)]


def test_a_key_cannot_break_its_cell() -> None:
    run = sample.make_report("<b>\n|")
    assert "&lt;b&gt; ⏎ | run1" in row_cells(properties(run, Gate.COMPLIANCE))[0]


def test_extras_can_be_sent_by_xdist() -> None:
    run = sample.noncompliant()
    extras = section_extras(run, sample.make_evidence(), Gate.COMPLIANCE)
    assert json.loads(json.dumps(extras)) == extras
    assert extras[0]["format_type"] == "html"


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["here", "xdist"])
def test_pytest_html_shows_columns_and_the_section_once(
    pytester: pytest.Pytester, workers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(sample.__file__).parents[1]))
    pytester.makeconftest(
        """
        import pytest
        from support import reports as sample
        from pytest_2501bench.errors import Gate
        from pytest_2501bench.report.html import HtmlColumns, section_extras
        from pytest_2501bench.report.junit import properties

        RUN = sample.noncompliant()

        def pytest_configure(config):
            config.pluginmanager.register(HtmlColumns(lambda: [RUN]))

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            if "gate" not in item.name:
                return (yield)
            gate = Gate(item.name.removeprefix("test_gate_"))
            if not item.user_properties:
                item.user_properties.extend(properties(RUN, gate))
            report = yield
            if report.when == "call":
                report.extras = section_extras(RUN, sample.make_evidence(("<script>alert(1)</script>",)), gate)
            return report
        """
    )
    pytester.makepyfile(
        """
        def test_gate_task_validation(): pass
        def test_gate_compliance(): assert False
        def test_other(): pass
        """
    )
    result = pytester.runpytest_subprocess(
        *("-p", "no:2501bench", "-p", "no:randomly", "--html=out.html", "--self-contained-html", *workers)
    )
    result.assert_outcomes(passed=2, failed=1)
    page = (pytester.path / "out.html").read_text(encoding="utf-8")
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    tests = json.loads(unescape(blob[1]))["tests"]
    rows = {name.rpartition("::")[2]: found[0] for name, found in tests.items()}
    assert all(len(row["resultsTableRow"]) == 9 for row in rows.values())
    assert "nginx/001-broken-config run1" in rows["test_gate_compliance"]["resultsTableRow"][2]
    whole = [
        name for name, row in rows.items() if any("systemctl status" in extra["content"] for extra in row["extras"])
    ]
    assert whole == ["test_gate_task_validation"]
    assert rows["test_gate_compliance"]["benchCompliance"].endswith("75 %")
    assert rows["test_other"]["extras"] == []
    assert page.count("<style>\n/* The benchmark") == 1
    assert "<script>alert" not in page
    assert 'class="b2501-rates"' in page
