"""The markdown of a session, read back by a markdown parser."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support import reports as sample
from syrupy.assertion import SnapshotAssertion

from pytest_2501bench.errors import Cause, Gate
from pytest_2501bench.report.findings import Artifacts
from pytest_2501bench.report.markdown import ROWS, STEP_LIMIT, append_step_summary, code, prose, summary_markdown
from pytest_2501bench.report.plain import one_line
from pytest_2501bench.scoring.model import Span

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
STRUCTURE = {"h2", "p", "table", "thead", "tbody", "tr", "th", "td", "strong", "details", "summary", "ul", "li", "code"}
HOSTILE = st.text(
    alphabet=st.one_of(st.characters(categories=None), st.sampled_from("|`*_[]()<>\\\n\r#-+=~!&$:/1. \x1b")),
    max_size=30,
)


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_session_as_markdown(snapshot: SnapshotAssertion) -> None:
    artifacts = Artifacts(bench_dir=".2501bench")
    skipped = [("kubernetes/001-crashloopbackoff", "template debian-k3s needs nested containers")]
    assert summary_markdown(sample.session(), sample.make_benchmark(), artifacts, skipped=skipped) == snapshot


def test_both_gates_stand_in_one_table_with_a_row_per_run() -> None:
    html = PARSER.render(summary_markdown(sample.session(), sample.make_benchmark()))
    rows = re.findall(r"<tr>\s*((?:<td.*?</td>\s*)+)</tr>", html)
    assert [len(re.findall("<td", row)) for row in rows] == [3, 3, 3, *[7] * len(sample.session())]


def test_a_red_gate_has_a_block_with_rule_evidence_and_command() -> None:
    html = PARSER.render(summary_markdown([sample.noncompliant()], sample.make_benchmark()))
    assert "<code>rm -rf /var/log/nginx/*</code>" in html
    assert "<code>/validation/tasks/2</code>" in html
    assert "<code>pytest scenarios/nginx/001-broken-config/scenario.json::run1 --mode namespace" in html


def test_many_runs_stand_in_one_row_per_scenario() -> None:
    text = summary_markdown([sample.make_report(iteration=n) for n in range(ROWS + 1)], sample.make_benchmark())
    assert text.count("| nginx/001-broken-config |") == 1
    assert f"| {ROWS + 1} | 100 %, {ROWS + 1} passed of {ROWS + 1} scored" in text


def test_a_session_without_runs_has_no_table() -> None:
    text = summary_markdown([], sample.make_benchmark(), skipped=[("a", "b")])
    assert "|" not in text
    assert "Skipped: 1" in text


@settings(max_examples=150, deadline=None)
@given(HOSTILE)
@example("1. a")
@example("- a")
@example("---")
@example("</details>")
@example("https://example.org/<b>")
@example("a | b \\| c `d` **e**")
@example("&lt;")
def test_prose_is_shown_as_it_is(text: str) -> None:
    expected = one_line(text)
    for before, shown in (("- ", ""), ("said: ", "said: ")):
        found = _Tags(PARSER.render(before + prose(text)))
        assert set(found.tags) <= {"ul", "li", "p"}
        assert found.text.strip() == (shown + expected).strip()


@settings(max_examples=150, deadline=None)
@given(HOSTILE)
@example("`")
@example("``a`")
@example("a``")
@example("\\`|")
def test_code_is_shown_as_it_is(text: str) -> None:
    expected = one_line(text)
    found = PARSER.render(f"- x: {code(text)}").strip()
    inner = re.fullmatch(r"<ul>\n<li>x:(?: <code>(.*)</code>)?</li>\n</ul>", found, re.DOTALL)
    assert inner is not None
    assert unescape(inner[1] or "") == expected


@settings(max_examples=40, deadline=None)
@given(HOSTILE)
@example("</summary></details>|")
@example("a|b\\|c")
def test_no_text_breaks_the_table_or_a_block(text: str) -> None:
    rule = sample.make_rule(
        text, sample.FAILED, reason=text, span=Span(source="tasks[0].executed_commands[0]", text=text)
    )
    gate = sample.make_gate(Gate.COMPLIANCE, sample.FAILED, text, rules=(rule,), cause=Cause.RULE_NOT_MET)
    run = sample.make_report(text, status=sample.FAILED, compliance=gate, warnings=(text,))
    lost = sample.lost().model_copy(update={"failure_message": text})
    html = PARSER.render(summary_markdown([run, lost], sample.make_benchmark(agent=text), skipped=[(text, text)]))
    found = _Tags(html)
    assert [found.tags.count(tag) for tag in ("table", "tr", "td", "details", "summary")] == [2, 7, 23, 4, 4]
    assert set(found.tags) <= STRUCTURE
    keys = [_Tags(cell).text for cell in re.findall(r"<tr>\s*<td>(.*?)</td>", html, re.DOTALL)][3:]
    assert keys == [one_line(text), "web/001-two-hosts"]


def test_summaries_of_several_commands_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    append_step_summary(path, "one\n")
    append_step_summary(path, "two – ✓\n")
    assert path.read_text(encoding="utf-8") == "one\ntwo – ✓\n"


@pytest.mark.parametrize("already", [0, STEP_LIMIT // 2, STEP_LIMIT - 50, STEP_LIMIT])
def test_a_summary_never_passes_the_limit_and_says_that_it_was_cut(tmp_path: Path, already: int) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * already)
    append_step_summary(path, summary_markdown([sample.noncompliant()] * 3000, sample.make_benchmark()))
    data = path.read_bytes()
    assert len(data) <= STEP_LIMIT
    if already < STEP_LIMIT - 1000:
        text = data[already:].decode()
        assert "was cut" in text
        assert text.count("<details>") == text.count("</details>") > 100


def test_a_table_that_is_too_long_is_cut_between_lines(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (STEP_LIMIT - 1200))
    append_step_summary(path, summary_markdown([sample.make_report()] * 50, sample.make_benchmark()))
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| nginx")]
    assert rows
    assert all(line.endswith("|") for line in rows)
    assert "was cut" in lines[-1]
