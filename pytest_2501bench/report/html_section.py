"""One run as a piece of html for a pytest-html report: timeline, rules with evidence, playbooks, commands, ticket."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pytest_2501bench.errors import TABLE, Gate, Verdict
from pytest_2501bench.report.figures import GATE_NAME, cost, rules_passed, seconds, tokens
from pytest_2501bench.report.plain import printable
from pytest_2501bench.report.totals import totals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_2501bench.evidence.model import Evidence
    from pytest_2501bench.report.model import ScenarioReport

LONGEST: Final = 4_000
"""Characters of one text; the rest is in the run's folder."""
MOST: Final = 300
"""Commands of one task, and messages of one list."""

_TEMPLATES: Final = Path(__file__).parent / "templates"


def run_section(report: ScenarioReport, evidence: Evidence | None, gate: Gate, *, whole: bool | None = None) -> str:
    """Return the html of one run, escaped, without scripts and without reference to any other file.

    Args:
        report: the run with both verdicts.
        evidence: all of the run; None when it could not be read.
        gate: the gate whose item the section is for.
        whole: show the whole run rather than this gate's rules alone; by default only with task validation, so that a
            run stands in a report once.
    """
    whole = gate is Gate.TASK_VALIDATION if whole is None else whole
    return (
        _environment()
        .get_template("run.html.j2")
        .render(
            report=report,
            evidence=evidence,
            facts=_facts(report),
            failure=report.failure_message.removeprefix(f"{report.failure_phase}: "),
            failure_status=_failure_status(report),
            gate_name=GATE_NAME,
            most=MOST,
            shown_gate=report.task_validation if gate is Gate.TASK_VALIDATION else report.compliance,
            whole=whole,
        )
    )


def rates_table(reports: Sequence[ScenarioReport]) -> str:
    """Return the rates of *reports*, each with its denominator, as a small html table."""
    return _environment().get_template("rates.html.j2").render(rates=totals(reports).rates)


def stylesheet() -> str:
    """Return the ``<style>`` element that sections need once per page."""
    return f"<style>\n{(_TEMPLATES / 'run.css').read_text(encoding='utf-8')}</style>"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        keep_trailing_newline=False,
    )
    made.filters.update(cut=_cut, rules_passed=rules_passed, seconds=seconds)
    return made


def _visible(value: object) -> object:
    # Only plain strings: what is Markup already has been through here.
    return printable(value) if type(value) is str else value


def _cut(text: str) -> str:
    more = len(text) - LONGEST
    return text if more <= 0 else f"{text[:LONGEST]}\n… {more:,} more characters in the run's folder"


def _failure_status(report: ScenarioReport) -> str:
    if report.failure_cause is None:
        return ""
    verdict = TABLE[report.failure_cause].verdict
    return {Verdict.FAILURE: "failed", Verdict.WARNING: "warning"}.get(verdict, "error")


def _facts(report: ScenarioReport) -> list[tuple[str, str]]:
    known = (
        ("run time", seconds(report.seconds)),
        ("mode", report.mode),
        ("gateway", report.gateway),
        ("agent", report.agent),
        ("main engine", report.main_engine),
        ("secondary engine", report.secondary_engine),
        ("specialty", report.specialty),
        ("resolution", report.resolution_status),
        ("tasks", None if report.task_count is None else str(report.task_count)),
        ("tokens", None if report.tokens is None else tokens(report.tokens)),
        ("cost", None if report.cost_usd is None else cost(report.cost_usd)),
        ("run", report.run_id),
        ("benchmark", report.benchmark_id),
        ("folder", report.evidence),
    )
    return [(name, value) for name, value in known if value]
