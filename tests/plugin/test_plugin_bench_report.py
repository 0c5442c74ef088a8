"""``--bench-report``: one html file at the end of a session, whatever became of its runs."""

from __future__ import annotations

import pytest
from support.planned import LOST, RED, outcomes
from support.plugin_project import Project


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_the_file_has_passed_failed_and_lost_runs(project: Project, workers: tuple[str, ...]) -> None:
    project.scenario("disk/001")
    options = outcomes(project, "green", RED, LOST)
    outcome = project.run(*options, "--bench-report", "out/report.html", *workers, "scenarios")
    assert outcome.status == 1, outcome.out
    html = (project.root / "out/report.html").read_text()
    assert html.count("<article id=") == 3
    for status in ("passed", "failed", "error"):
        assert f'<span class="badge {status}">{status}</span>' in html
    assert "1 passed of 2 scored; 1 lost to infrastructure" in html
    assert "du -sh /var/log" in html
    assert "report" in outcome.out
    assert "out/report.html" in outcome.out
    assert not list((project.root / "out").glob(".*")), "no half-written file is left"


def test_it_is_written_when_everything_was_lost(project: Project) -> None:
    project.scenario("disk/001")
    project.fault("provider.create", "sandbox_not_created", "no <b>room</b>")
    project.run("--bench-report", "report.html", "scenarios")
    html = (project.root / "report.html").read_text()
    assert "no &lt;b&gt;room&lt;/b&gt;" in html
    assert "<b>room" not in html


def test_a_second_session_is_compared_with_the_first(project: Project) -> None:
    project.scenario("disk/001")
    project.run("scenarios")
    project.ini("bench_report = report.html\n")
    project.run("scenarios")
    assert "Over time" in (project.root / "report.html").read_text()


def test_secrets_are_not_in_it(project: Project) -> None:
    project.scenario("disk/001")
    project.monkeypatch.setenv("ENGINE_API_KEY", "canary-of-the-engine")
    project.run("--bench-report", "report.html", "scenarios")
    assert "canary" not in (project.root / "report.html").read_text()


@pytest.mark.parametrize(("name", "why"), [("taken", "is a folder"), ("file/report.html", "cannot be made")])
def test_a_file_that_cannot_be_written_is_told_before_anything_runs(project: Project, name: str, why: str) -> None:
    project.scenario("disk/001")
    (project.root / "taken").mkdir()
    project.write("file", "")
    said = project.run("--rootdir", str(project.root), "--bench-report", str(project.root / name), "scenarios")
    message = said.usage_error()
    assert "--bench-report" in message
    assert why in message or "must be a file" in message


def test_no_runs_no_file(project: Project) -> None:
    project.write("test_it.py", "def test_it(): pass\n")
    assert project.run("--bench-report", "report.html").status == 0
    assert not (project.root / "report.html").exists()
