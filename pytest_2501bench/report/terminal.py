"""What the terminal shows: settings, one line per run, and the summary. Pure; :mod:`.lines` writes it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len

from pytest_2501bench.matrix import MARK
from pytest_2501bench.report.figures import GATE_NAME, cost, rules_passed, run_name, seconds, tokens
from pytest_2501bench.report.findings import (
    Artifacts,
    Finding,
    advice,
    find,
    finding_of,
    is_lost,
    loss,
    rerun_command,
)
from pytest_2501bench.report.lines import STYLE_OF, Line, Part, Style, as_text, line
from pytest_2501bench.report.model import Benchmark, CheckResult, ScenarioReport
from pytest_2501bench.report.plain import one_line
from pytest_2501bench.report.table import results_table
from pytest_2501bench.report.totals import by_tag, by_variant, totals
from pytest_2501bench.scoring.model import GateResult, RuleResult, Status

SHOWN: Final = 20
"""Findings shown in full, per section; the others are counted."""

_LABEL: Final = 10  # columns before a detail's text


def header(settings: Iterable[tuple[str, object, str]], *, width: int = 80) -> list[Line]:
    """Return ``2501bench: mode namespace (--mode), agent oracle (--agent), …``.

    Args:
        settings: name, value and source of each effective setting; secrets left out by the caller.
        width: columns; following lines are indented.
    """
    shown = [one_line(f"{name} {_value(value)} ({source})") for name, value, source in settings]
    return [line(text) for text in _flow("2501bench: ", shown, width)]


def run_line(report: ScenarioReport, *, width: int = 80) -> list[Line]:
    """Return one run with both gates: one line if it fits, else the gates in a second one."""
    name = one_line(run_name(report))
    time = f"  {seconds(report.seconds)}"
    if is_lost(report):
        where = f" in {report.failure_phase}" if report.failure_phase else ""
        verdict = line(Part(f"not scored: lost{where}", Style.ERROR), f" ({report.failure_cause})")
        fits = _width(name) + 2 + _width(*verdict) + len(time) <= width
        first = line(f"{name}  ", *verdict, time) if fits else line(name, time)
        reason = line("  ", one_line(loss(report)[0], max(width - 2, 20)))
        return [first, reason] if fits else [first, line("  ", *verdict), reason]
    for score in (" ({} rules)", " ({})"):
        verdict = line(*_gate(report.task_validation), " · ", *_gate(report.compliance, score))
        if _width(name) + 2 + _width(*verdict) + len(time) <= width:
            return [line(f"{name}  ", *verdict, time)]
    return [
        line(name, time),
        line("  ", *_gate(report.task_validation), " · ", *_gate(report.compliance, " ({} rules)")),
    ]


def gate_message(report: ScenarioReport, gate: GateResult, artifacts: Artifacts | None = None) -> str:
    """Return why *gate* is not green: the message of its item. The first line is enough for a short summary."""
    finding = finding_of(report, gate)
    first = f"{GATE_NAME[gate.gate]} {gate.status.value.upper()}"
    if rules := rules_passed(gate):
        first += f" ({rules} rules)"
    lines = [line(f"{first}: ", one_line(gate.reason))]
    for rule in finding.rules:
        lines += _rule(rule, width=None)
    if folder := (artifacts or Artifacts()).folder(report):
        lines += _detail("folder", folder)
    return as_text(lines)


def check_message(check: CheckResult) -> str:
    """Return why a further check is not green: the message of its item."""
    return as_text(
        [line(f"{check.name} {check.status.value.upper()}: ", one_line(check.reason)), *_found(check, len(check.lines))]
    )


def summary(
    reports: Sequence[ScenarioReport],
    benchmark: Benchmark,
    artifacts: Artifacts,
    *,
    skipped: Sequence[tuple[str, str]] = (),
    width: int = 80,
) -> list[Line]:
    """Return the end of a session: table, rates, every red gate with its evidence, losses, skips, paths.

    Args:
        reports: all runs, in the order in which they are to be shown.
        benchmark: the session.
        artifacts: where the results are.
        skipped: scenario (or run) and reason of what was not run.
        width: columns of the terminal.
    """
    found = find(reports)
    lines: list[Line] = []
    if reports:
        lines += [*results_table(reports, width), line(), *_rates(reports, width)]
    sections = (
        ("red gates", [_finding(finding, benchmark, artifacts, width) for finding in found.red]),
        ("no verdict", [_finding(finding, benchmark, artifacts, width) for finding in found.undecided]),
        ("lost to infrastructure", [_lost(report, benchmark, artifacts, width) for report in found.lost]),
    )
    for title, blocks in sections:
        if blocks:
            lines += [line(), line(Part(f"{title}: {len(blocks)}", Style.STRONG))]
            for block in blocks[:SHOWN]:
                lines += block
            if len(blocks) > SHOWN:
                lines.append(line(f"… and {len(blocks) - SHOWN} more, in the reports below"))
    lines += _kept(reports)
    lines += _others(reports, skipped, width)
    lines += [line(), *(line(Part(f"{name:<12}", Style.MUTED), path) for name, path in artifacts.rows())]
    return lines


def _value(value: object) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(str(each) for each in value) or "-"
    return "-" if value is None else str(value)


def _flow(lead: str, texts: Sequence[str], width: int) -> list[str]:
    """Fill lines with comma-separated *texts*, none of them torn apart: a path must stay one word."""
    lines, current = [], lead
    for number, text in enumerate(texts, start=1):
        word = text if number == len(texts) else f"{text},"
        if current.strip() and current != lead and cell_len(current) + cell_len(word) > width:
            lines.append(current.rstrip())
            current = " " * len(lead)
        current += f"{word} "
    return [*lines, current.rstrip()]


def _gate(gate: GateResult, score: str = "") -> tuple[Part | str, ...]:
    rules = rules_passed(gate) if score else ""
    verdict = Part(gate.status.value.upper(), STYLE_OF[gate.status])
    return f"{GATE_NAME[gate.gate]} ", verdict, score.format(rules) if rules else ""


def _width(*parts: Part | str) -> int:
    return sum(cell_len(part if isinstance(part, str) else part.text) for part in parts)


def _rates(reports: Sequence[ScenarioReport], width: int) -> list[Line]:
    sums = totals(reports)
    lines: list[Line] = []
    for rate in sums.rates:
        head = f"{rate.name:<15}{rate.value:>7}  "
        first, *rest = _wrapped(rate.basis, width - len(head), "")
        rest += _wrapped(rate.certainty, width - len(head), "") if rate.certainty else []
        lines += [line(Part(head, Style.STRONG), first), *(line(" " * len(head), more) for more in rest)]
    used = f"{sums.runs} {'run' if sums.runs == 1 else 'runs'}, {seconds(sums.seconds)}"
    if sums.tokens is not None:
        used += f", {tokens(sums.tokens)} tokens"
    if sums.cost_usd is not None:
        used += f", {cost(sums.cost_usd)}"
    return [*lines, *_variants(reports, width), *_tags(reports, width), line(used)]


def verdict_lines(title: str, judged: Sequence[tuple[str, Status, Sequence[str]]], width: int) -> list[Line]:
    """Return what was asked of all runs and what became of it: (scenario, verdict, one text per judgement)."""
    if not judged:
        return []
    lines = [line(), line(Part(title, Style.STRONG))]
    for name, status, texts in judged:
        lines.append(line(name, " ", Part(status.value.upper(), STYLE_OF[status])))
        for text in texts:
            first, *rest = _wrapped(text, width - 2, "")
            lines += [line("  ", first), *(line("    ", more) for more in rest)]
    return lines


def _variants(reports: Sequence[ScenarioReport], width: int) -> list[Line]:
    """Give the same rates for each variant of a matrix: those of all together say nothing about any of them."""
    lines: list[Line] = []
    for name, runs in by_variant(reports) if len(by_variant(reports)) > 1 else ():
        lines += [line(), line(Part(f"{MARK}{name}", Style.STRONG))]
        for rate in totals(runs).rates:
            head = f"{rate.name:<15}{rate.value:>7}  "
            first, *rest = _wrapped(rate.basis, width - len(head), "")
            rest += _wrapped(rate.certainty, width - len(head), "") if rate.certainty else []
            lines += [line(head, first), *(line(" " * len(head), more) for more in rest)]
    return lines


def _tags(reports: Sequence[ScenarioReport], width: int) -> list[Line]:
    """Give the rates of each tag with their denominators; a tag of one scenario, or of all, says nothing new."""
    lines: list[Line] = []
    for tag, runs in by_tag(reports)[:SHOWN]:
        rates = totals(runs).rates
        lost = f"; {rates[2].rate.lost} without verdict" if rates[2].rate.lost else ""
        told = ", ".join(f"{rate.name.removesuffix(' rate')} {rate.rate.passed}/{rate.rate.scored}" for rate in rates)
        first, *rest = _wrapped(f"tag {one_line(tag)}: {told}{lost}", width, "  ")
        lines += [line(first), *(line(more) for more in rest)]
    return [line(), *lines, line()] if lines else []


def _finding(finding: Finding, benchmark: Benchmark, artifacts: Artifacts, width: int) -> list[Line]:
    report = finding.report
    verdict = Part(f"{finding.gate_names} {finding.status.value.upper()}", STYLE_OF[finding.status])
    lines = [line(), line(Part(run_name(report), Style.STRONG), " · ", verdict)]
    lines += _detail("why", finding.reason, width)
    for rule in finding.rules:
        lines += _rule(rule, width)
    return lines + _closer(report, benchmark, artifacts)


def _rule(rule: RuleResult, width: int | None) -> list[Line]:
    lines = _detail("rule", f"{rule.label}  {rule.pointer}", width)
    lines += _detail("reason", rule.reason, width)
    if rule.span is not None:
        lines += _detail("evidence", f"{rule.span.source}: {one_line(rule.span.text)}", width)
    return lines


def _lost(report: ScenarioReport, benchmark: Benchmark, artifacts: Artifacts, width: int) -> list[Line]:
    where = f"{report.failure_phase} · " if report.failure_phase else ""
    cause = Part(f"{where}{report.failure_cause}", Style.ERROR)
    lines = [line(), line(Part(run_name(report), Style.STRONG), " · ", cause)]
    why, log = loss(report)
    lines += [*_detail("why", why, width), *_detail("log", log)]
    if meaning := advice(report):
        lines += _detail("meaning", meaning, width)
    return lines + _closer(report, benchmark, artifacts)


def _closer(report: ScenarioReport, benchmark: Benchmark, artifacts: Artifacts) -> list[Line]:
    # Neither is wrapped: both are there to be copied.
    folder = artifacts.folder(report)
    return _detail("again", rerun_command(report, benchmark)) + (_detail("folder", folder) if folder else [])


def _kept(reports: Sequence[ScenarioReport]) -> list[Line]:
    kept = [(report, report.kept) for report in reports if report.kept is not None]
    lines = [line(), line(Part(f"sandboxes kept: {len(kept)}", Style.STRONG))] if kept else []
    for report, record in kept[:SHOWN]:
        lines += [line(), line(Part(run_name(report), Style.STRONG))]
        for enter in record.enter:  # not wrapped: there to be copied
            lines += _detail("enter", enter)
        lines += _detail("remove", record.remove)
    if len(kept) > SHOWN:
        lines.append(line(f"… and {len(kept) - SHOWN} more: 2501bench sandbox list"))
    return lines


def _others(reports: Sequence[ScenarioReport], skipped: Sequence[tuple[str, str]], width: int) -> list[Line]:
    lines: list[Line] = []
    checks = [(run, check) for run in reports for check in run.checks]
    red = [(run, check) for run, check in checks if check.status is not Status.PASSED]
    shown = [(run, check) for run, check in checks if check.status is Status.PASSED and check.lines]
    for title, some in (("further checks not passed", red), ("further checks with something to see", shown)):
        if some:
            lines += [line(), line(Part(f"{title}: {len(some)}", Style.STRONG))]
        for run, check in some[:SHOWN]:
            verdict = Part(check.status.value.upper(), STYLE_OF[check.status])
            lines.append(line(f"{run_name(run)} · {one_line(check.name)} ", verdict))
            lines += [*_detail("reason", check.reason, width), *_found(check, SHOWN)]
        if len(some) > SHOWN:
            lines.append(line(f"… and {len(some) - SHOWN} more"))
    warned = [(run_name(run), warning) for run in reports for warning in run.warnings]
    for title, told in (("warnings", warned), ("skipped", skipped)):
        if told:
            lines += [line(), line(Part(f"{title}: {len(told)}", Style.STRONG))]
            for name, text in told[:SHOWN]:
                lines += [line(text) for text in _wrapped(f"{one_line(name)}: {one_line(text)}", width, "  ")]
            if len(told) > SHOWN:
                lines.append(line(f"… and {len(told) - SHOWN} more"))
    return lines


def _found(check: CheckResult, most: int) -> list[Line]:
    lines = [line("  ", one_line(found)) for found in check.lines[:most]]
    more = len(check.lines) - most
    return [*lines, line(f"  … and {more} more")] if more > 0 else lines


def _detail(label: str, text: str, width: int | None = None) -> list[Line]:
    text = one_line(text)
    if not text:
        return []
    rows = [text] if width is None else _wrapped(text, max(width - _LABEL - 2, 30), "")
    lead = Part(f"  {label:<{_LABEL}}", Style.MUTED)
    return [line(lead if number == 0 else " " * (_LABEL + 2), row) for number, row in enumerate(rows)]


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, max(width, 20), subsequent_indent=indent, break_on_hyphens=False) or [text]
