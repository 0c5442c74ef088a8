"""What a session leaves for people and for CI: terminal, junit, html, a step summary."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html import unescape
from typing import Any

import pytest
from support.plugin_project import LOOKED, NEVER, Outcome, Project
from syrupy.assertion import SnapshotAssertion


@pytest.fixture
def mixed(project: Project) -> Project:
    """One green scenario, one with a red gate, one lost to infrastructure, one skipped."""
    project.scenario("a/green", tags=["web", "smoke"])
    project.scenario("b/red", validation={"tasks": [LOOKED, NEVER]})
    project.scenario("c/lost", hosts=[{"host_name": "lost-01"}])
    project.scenario("d/skipped", hosts=[{"host_name": "k3s-01", "template": "debian-k3s"}])
    project.fakes(faults=[{"at": "provider.create", "raise": "ssh_not_up", "message": "no SSH", "detail": "lost-01"}])
    return project


JUNIT = ("--junitxml", "out/junit.xml")


def cases(project: Project) -> dict[str, dict[str, str]]:
    """The properties of each testcase of the junit file, by scenario and gate."""
    found = {}
    for case in ET.parse(project.root / "out" / "junit.xml").iter("testcase"):
        folder = re.sub(r"^scenarios\.|\.scenario.*$", "", case.attrib["classname"])
        name = f"{folder} {case.attrib['name']}"
        assert name not in found
        found[name] = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
    return found


def test_junit_has_the_properties_on_both_items(mixed: Project) -> None:
    outcome = mixed.run(*JUNIT)
    assert "junit       out/junit.xml" in outcome.out
    found = cases(mixed)
    assert len(found) == 8
    green = found["a.green task_validation"]
    expected = {"key": "a/green", "mode": "fake", "gateway": "fake", "iteration": "1", "tags": "web,smoke"}
    assert expected.items() <= green.items()
    assert (green["gate"], green["status"], green["compliance_score"]) == ("task_validation", "passed", "1")
    assert (green["tokens"], green["input_tokens"], green["resolution_status"]) == ("120", "100", "success")
    assert {name for name in green if name.startswith("duration_")} == {
        f"duration_{phase}" for phase in ("provision", "prepare", "flush", "execute", "validate")
    }
    red = found["b.red compliance"]
    assert (red["gate"], red["status"], red["cause"]) == ("compliance", "failed", "rule_not_met")
    assert red["compliance_score"] == "0.5"
    for gate in ("task_validation", "compliance"):
        lost = found[f"c.lost {gate}"]
        assert (lost["gate"], lost["status"], lost["cause"]) == (gate, "error", "ssh_not_up")
        assert "tokens" not in lost
        assert found[f"d.skipped {gate}"] == {}
    benchmarks = {case["benchmark_id"] for case in found.values() if case}
    assert benchmarks == {mixed.reports()[0].benchmark_id}


def html_of(project: Project, *args: str, apart: bool = False) -> tuple[str, list[dict[str, Any]]]:
    """Run with --html; return the page, and its rows in order."""
    project.run("--html", "out/report.html", "--self-contained-html", *args, apart=apart)
    page = (project.root / "out" / "report.html").read_text()
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    tests = json.loads(unescape(blob[1]))["tests"]
    return page, [row for rows in tests.values() for row in rows]


@pytest.mark.parametrize("workers", [False, True], ids=["here", "in workers"])
def test_the_html_page_has_columns_and_a_section_per_run_and_needs_no_other_file(mixed: Project, workers: bool) -> None:
    page, rows = html_of(mixed, *JUNIT, *(["-n", "2"] if workers else []), apart=workers)
    assert re.findall(r'<(?:link|script|img|iframe)\b[^>]*\b(?:src|href)="([^"]+)"', page) == []
    assert not list((mixed.root / "out").glob("assets*"))
    for heading in ("Scenario", "Gate", "Compliance", "Run time", "Tokens"):
        assert f">{heading}</th>" in page
    by_id = {row["testId"]: row for row in rows}
    green = by_id["scenarios/a/green/scenario.json::run1::task_validation"]
    cells = " ".join(green["resultsTableRow"])
    assert "a/green run1" in cells
    section = "".join(extra["content"] for extra in green["extras"])
    assert "du -sh /var/log" in section
    assert "provision" in section
    red = by_id["scenarios/b/red/scenario.json::run1::compliance"]
    assert "restarted it" in "".join(extra["content"] for extra in red["extras"])
    lost = [row for name, row in by_id.items() if "c/lost" in name]
    assert lost
    assert all("no SSH" in "".join(extra["content"] for extra in row["extras"]) for row in lost)
    assert cases(mixed)["b.red compliance"].items() >= {"key": "b/red", "status": "failed", "tokens": "120"}.items()


def test_a_gate_that_runs_alone_has_the_whole_section(mixed: Project) -> None:
    _, rows = html_of(mixed, "scenarios/a/green/scenario.json::run1::compliance")
    (row,) = rows
    assert "du -sh /var/log" in "".join(extra["content"] for extra in row["extras"])


def test_an_html_report_of_a_project_without_scenarios_is_left_alone(project: Project) -> None:
    project.ini()
    project.write("pytest.ini", "[pytest]\naddopts = -p no:randomly\n")
    project.write("test_plain.py", "def test_plain():\n    pass\n")
    page, rows = html_of(project)
    assert len(rows) == 1
    assert "Compliance</th>" not in page


def test_a_step_summary_is_appended(mixed: Project) -> None:
    target = mixed.write("step.md", "before\n")
    mixed.monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(target))
    outcome = mixed.run()
    text = target.read_text()
    assert text.startswith("before\n")
    for words in ("a/green", "b/red", "c/lost", "no SSH", "d/skipped", "2 passed of 2"):
        assert words in text.replace("\\", ""), text
    assert f"markdown    {target}" in outcome.out


def test_a_step_summary_that_cannot_be_written_is_told_and_costs_nothing(mixed: Project) -> None:
    mixed.monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(mixed.root / "no" / "such" / "folder"))
    outcome = mixed.run()
    outcome.counts(passed=3, failed=1, errors=2, skipped=2)
    assert "No such file or directory" in outcome.out
    assert "Traceback" not in outcome.out


def shown(outcome: Outcome) -> str:
    """The session's terminal output from the first run's line on, without what differs from run to run."""
    text = outcome.project.normal(outcome.out)
    text = re.sub(r"-ID|\bsbx-\w+", "-ID", text[text.index("database .2501bench") :])
    text = re.sub(r"\b\d+\.\d+s\b|\b\d+\.\d s\b|\bN s\b", "N s", text)
    text = re.sub(r"=+ (\d+ failed.*?) =+\s*$", r"= \1 =", text)
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def test_the_terminal_of_a_mixed_session(mixed: Project, snapshot: SnapshotAssertion) -> None:
    assert shown(mixed.run("--color=no")) == snapshot


def test_the_terminal_tells_the_same_in_colour(mixed: Project) -> None:
    plain = shown(mixed.run("--color=no"))
    coloured = re.sub(r"\x1b\[[0-9;]*m", "", mixed.run("--color=yes").out)
    for line in plain.splitlines():
        if line.startswith(("a/green", "b/red", "c/lost", "pass rate", "compliance rate", "  rule", "  evidence")):
            assert line.split("N s")[0].rstrip() in coloured


@pytest.mark.parametrize("args", [("-q",), ("-v",), ("-vv",), ("--tb=no",), ("--no-summary",), ("-rA",)], ids=" ".join)
def test_every_verbosity_names_every_run_and_the_red_gate(mixed: Project, args: tuple[str, ...]) -> None:
    out = mixed.run(*args).out
    for key in ("a/green", "b/red", "c/lost"):
        assert key in out
    if args != ("--no-summary",):
        assert "restarted it" in out
        assert "pytest scenarios/b/red/scenario.json::run1 --mode fake" in out
