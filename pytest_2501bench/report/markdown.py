"""The session as GitHub-flavoured markdown, for ``$GITHUB_STEP_SUMMARY`` and merge request comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pytest_2501bench.matrix import MARK, run_name_of, variant_of
from pytest_2501bench.report.figures import cost, rules_passed, run_name, seconds, tokens
from pytest_2501bench.report.findings import Artifacts, Finding, advice, find, loss, rerun_command
from pytest_2501bench.report.model import Benchmark, CheckResult, ScenarioReport
from pytest_2501bench.report.plain import one_line
from pytest_2501bench.report.totals import NamedRate, by_scenario, by_tag, by_variant, totals
from pytest_2501bench.scoring.model import GateResult, RuleResult, Status

ROWS: Final = 200
"""More runs than this are shown per scenario."""

STEP_LIMIT: Final = 1024 * 1024
"""Bytes that GitHub takes per step; more, and it shows nothing of it."""

_CUT: Final = (
    "\n\n*This summary was cut: it would pass the 1 MiB that GitHub shows per step. All of it is in the reports.*\n"
)
_BLOCK_END: Final = b"</details>\n"
_SIGN: Final = {Status.PASSED: "✅", Status.FAILED: "❌", Status.ERROR: "⚠️"}
# Everything that could start a construct inside a line: emphasis, code, links, html, a table cell, mathematics.
_ACTIVE: Final = re.compile(r"[\\`*_\[\]<>&|~$#!@]")
_LEADING: Final = re.compile(r"^(\d*)([-+=.)])")  # a list in a list item, a heading's underline


def summary_markdown(
    reports: Sequence[ScenarioReport],
    benchmark: Benchmark,
    artifacts: Artifacts | None = None,
    *,
    skipped: Sequence[tuple[str, str]] = (),
) -> str:
    """Return rates, a table of all runs with both gates, and a fold-out block for everything that is not green."""
    artifacts = artifacts or Artifacts()
    found = find(reports)
    who = ", ".join(
        f"{name} {prose(str(value))}"
        for name, value in (
            ("mode", benchmark.mode),
            ("agent", benchmark.agent),
            ("main engine", benchmark.main_engine),
            ("specialty", benchmark.specialty),
        )
        if value
    )
    text = f"## 2501 benchmark: {len(reports)} {'run' if len(reports) == 1 else 'runs'}\n\n{who}\n"
    if reports:
        text += f"\n{_rates(reports)}\n{_runs(reports)}"
    text += "".join(_finding(finding, benchmark, artifacts) for finding in (*found.red, *found.undecided))
    text += "".join(_lost(report, benchmark, artifacts) for report in found.lost)
    text += "".join(_check(run, check) for run in reports for check in run.checks if _worth_a_look(check))
    text += _listed("Warnings", ((run_name(run), warning) for run in reports for warning in run.warnings))
    return text + _listed("Skipped", skipped)


def append_step_summary(path: Path, text: str) -> None:
    """Append *text* to the step summary file; what passes GitHub's limit is cut between blocks, and the cut is said.

    Raises:
        OSError: the file cannot be written.
    """
    room = STEP_LIMIT - (path.stat().st_size if path.exists() else 0)
    data = text.encode()
    if len(data) > room:
        kept = data[: max(room - len(_CUT.encode()), 0)]
        end = kept.rfind(_BLOCK_END)
        # No block fits: then whole lines of the table, which needs no end of its own.
        kept = kept[: end + len(_BLOCK_END)] if end >= 0 else kept[: kept.rfind(b"\n") + 1]
        data = kept + _CUT.encode() if room >= len(_CUT.encode()) else b""
    with path.open("ab") as file:
        file.write(data)


def prose(text: str) -> str:
    """Return *text* in one line that markdown and html show as it is, also in a table cell."""
    text = _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", one_line(text)).replace("://", "&#58;//")
    return _LEADING.sub(lambda found: f"{found[1]}&#{ord(found[2])};", text)


def code(text: str) -> str:
    """Return *text* in one line as a code span, not for table cells: there, ``|`` would end the cell."""
    text = one_line(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    # One blank at each end is taken away again, and keeps backticks of the text off the fence's.
    blank = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{blank}{text}{blank}{fence}" if text else ""


def _basis(rate: NamedRate) -> str:
    return f"{rate.basis}; {rate.certainty}" if rate.certainty else rate.basis


def _rates(reports: Sequence[ScenarioReport]) -> str:
    sums = totals(reports)
    text = "| rate | | of |\n|---|---:|---|\n"
    text += "".join(f"| {rate.name} | **{rate.value}** | {_basis(rate)} |\n" for rate in sums.rates)
    for name, runs in by_variant(reports) if len(by_variant(reports)) > 1 else ():
        rates = totals(runs).rates
        text += "".join(f"| {prose(MARK + name)}: {rate.name} | {rate.value} | {_basis(rate)} |\n" for rate in rates)
    for tag, runs in by_tag(reports):
        rates = totals(runs).rates
        text += "".join(f"| {prose(tag)}: {rate.name} | {rate.value} | {_basis(rate)} |\n" for rate in rates)
    used = [seconds(sums.seconds)]
    if sums.tokens is not None:
        used.append(f"{tokens(sums.tokens)} tokens")
    if sums.cost_usd is not None:
        used.append(prose(cost(sums.cost_usd)))
    return f"{text}\nTime of all runs: {', '.join(used)}\n"


def _runs(reports: Sequence[ScenarioReport]) -> str:
    detailed = len(reports) <= ROWS
    text = f"| scenario | {'run' if detailed else 'runs'} | task validation | compliance | time | tokens | cost |\n"
    text += "|---|---|---|---|---:|---:|---:|\n"
    for runs in [[run] for run in reports] if detailed else by_scenario(reports):
        sums, run = totals(runs), runs[0]
        verdicts = (
            (run_name_of(run.nodeid), _verdict(run.task_validation), _verdict(run.compliance))
            if detailed
            else (str(len(runs)), *(f"{rate.value}, {rate.basis}" for rate in sums.rates[:2]))
        )
        used = (seconds(sums.seconds), tokens(sums.tokens), prose(cost(sums.cost_usd)))
        variant = variant_of(run.nodeid)
        name = run.key if detailed or not variant else f"{run.key} {MARK}{variant}"
        text += f"| {' | '.join((prose(name), *verdicts, *used))} |\n"
    return text


def _verdict(gate: GateResult) -> str:
    score = rules_passed(gate)
    return f"{_SIGN[gate.status]} {gate.status.value}{f' {score}' if score else ''}"


def _finding(finding: Finding, benchmark: Benchmark, artifacts: Artifacts) -> str:
    title = f"{finding.gate_names} {finding.status.value}"
    points = [f"- {prose(finding.reason)}"]
    for rule in finding.rules:
        points += _rule(rule)
    points += _closer(finding.report, benchmark, artifacts)
    return _details(_SIGN[finding.status], finding.report, title, points)


def _worth_a_look(check: CheckResult) -> bool:
    return check.status is not Status.PASSED or bool(check.lines)


def _check(report: ScenarioReport, check: CheckResult) -> str:
    sign = _SIGN[check.status] if check.required else "ℹ️"
    points = [f"- {prose(check.reason)}", *(f"- {code(found)}" for found in check.lines)]
    return _details(sign, report, f"{prose(check.name)} {check.status.value}", points)


def _rule(rule: RuleResult) -> list[str]:
    points = [f"- **{prose(rule.label)}** ({code(rule.pointer)}): {prose(rule.reason)}"]
    if rule.span is not None:
        points.append(f"  - {code(rule.span.source)}: {code(rule.span.text) or '(empty)'}")
    return points


def _lost(report: ScenarioReport, benchmark: Benchmark, artifacts: Artifacts) -> str:
    why, log = loss(report)
    where = f" in {report.failure_phase}" if report.failure_phase else ""
    points = [f"- {code(str(report.failure_cause))}: {prose(why)}"]
    if log:
        points.append(f"- log: {code(log)}")
    points += [f"- {prose(advice(report))}", *_closer(report, benchmark, artifacts)]
    return _details(_SIGN[Status.ERROR], report, f"not scored, lost{where}", points)


def _closer(report: ScenarioReport, benchmark: Benchmark, artifacts: Artifacts) -> list[str]:
    folder = artifacts.folder(report)
    again = f"- again: {code(rerun_command(report, benchmark))}"
    return [again, f"- evidence and logs: {code(folder)}"] if folder else [again]


def _details(sign: str, report: ScenarioReport, title: str, points: Sequence[str]) -> str:
    # The empty lines are needed: between html tags, markdown is read only after one.
    body = "\n".join(points)
    return f"\n<details><summary>{sign} {prose(run_name(report))}: {title}</summary>\n\n{body}\n\n</details>\n"


def _listed(title: str, told: Iterable[tuple[str, str]]) -> str:
    points = [f"- {prose(name)}: {prose(text)}" for name, text in told]
    return (
        f"\n<details><summary>{title}: {len(points)}</summary>\n\n" + "\n".join(points) + "\n\n</details>\n"
        if points
        else ""
    )
