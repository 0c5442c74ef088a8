"""The results table: one row per run, or per scenario when there are many runs; fits the width, never cuts a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

from pytest_2501bench.matrix import MARK, run_name_of, variant_of
from pytest_2501bench.report.figures import cost, rules_passed, seconds, tokens
from pytest_2501bench.report.lines import STYLE_OF, Line, Part, Style, line
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.report.plain import one_line
from pytest_2501bench.report.totals import by_scenario, totals
from pytest_2501bench.scoring.model import GateResult

ROWS: Final = 60
"""More runs than this are shown per scenario."""

_GAP: Final = "  "
_KEY_AT_LEAST: Final = 16
_AFTER_SEPARATOR: Final = re.compile(r"(?<=[/._-])")


@dataclass(frozen=True, slots=True)
class _Column:
    """Heading (of one or two lines), alignment, and the text of a row (one run, or all runs of a scenario)."""

    heading: tuple[str, str]
    right: bool
    cell: Callable[[Sequence[ScenarioReport]], Part]


def results_table(reports: Sequence[ScenarioReport], width: int) -> list[Line]:
    """Return the table for a terminal of *width* columns. Long keys are broken after a separator, never shortened."""
    detailed = len(reports) <= ROWS
    rows = [[run] for run in reports] if detailed else by_scenario(reports)
    verdict = _judged if detailed else _counted
    columns = [
        _Column(("", "run"), False, lambda runs: Part(run_name_of(runs[0].nodeid)))
        if detailed
        else _Column(("", "runs"), True, lambda runs: Part(str(len(runs)))),
        _Column(("task", "validation"), False, lambda runs: verdict(runs, 0)),
        _Column(("", "compliance"), False, lambda runs: verdict(runs, 1)),
        _Column(("", "time"), True, lambda runs: Part(seconds(totals(runs).seconds))),
    ]
    # Columns that would only hold dashes are left out: most engines that say nothing say nothing ever.
    used = totals(reports)
    if used.tokens is not None:
        columns.append(_Column(("", "tokens"), True, lambda runs: Part(tokens(totals(runs).tokens))))
    if used.cost_usd is not None:
        columns.append(_Column(("", "cost"), True, lambda runs: Part(cost(totals(runs).cost_usd))))
    return _layout(
        [(_heading(runs[0], detailed), [column.cell(runs) for column in columns]) for runs in rows], columns, width
    )


def _heading(run: ScenarioReport, detailed: bool) -> str:
    variant = variant_of(run.nodeid)
    return one_line(run.key) + (f" {MARK}{variant}" if variant and not detailed else "")


def _layout(rows: Sequence[tuple[str, Sequence[Part]]], columns: Sequence[_Column], width: int) -> list[Line]:
    widths = [
        max(*map(cell_len, column.heading), *(cell_len(cells[number].text) for _, cells in rows))
        for number, column in enumerate(columns)
    ]
    left = max(width - sum(len(_GAP) + each for each in widths), _KEY_AT_LEAST)
    keys = [_broken(key, left) for key, _ in rows]
    key_width = max(cell_len("scenario"), *(cell_len(piece) for pieces in keys for piece in pieces))

    def row(key: str, cells: Sequence[Part], style: Style = Style.PLAIN) -> Line:
        parts = [Part(_padded(key, key_width), style)]
        for cell, column, size in zip(cells, columns, widths, strict=True):
            parts += [Part(_GAP), Part(_padded(cell.text, size, right=column.right), cell.style)]
        return tuple(parts)

    def heading(key: str, level: int) -> Line:
        return row(key, [Part(column.heading[level], Style.STRONG) for column in columns], Style.STRONG)

    lines = [heading("", 0), heading("scenario", 1), line("─" * (key_width + sum(len(_GAP) + each for each in widths)))]
    for pieces, (_, cells) in zip(keys, rows, strict=True):
        lines += [row(pieces[0], cells), *(line(piece) for piece in pieces[1:])]
    return lines


def _judged(runs: Sequence[ScenarioReport], gate: int) -> Part:
    (run,) = runs
    return _single(run.compliance, rules_passed(run.compliance)) if gate else _single(run.task_validation)


def _counted(runs: Sequence[ScenarioReport], gate: int) -> Part:
    rate = totals(runs).rates[gate].rate
    style = Style.ERROR if not rate.scored else Style.PASSED if rate.passed == rate.scored else Style.FAILED
    return Part(f"{rate.passed}/{rate.scored}" + (f" ({rate.lost} lost)" if rate.lost else ""), style)


def _single(gate: GateResult, score: str = "") -> Part:
    text = gate.status.value.upper()
    return Part(f"{text} {score}" if score else text, STYLE_OF[gate.status])


def _broken(key: str, width: int) -> list[str]:
    """Break *key* into pieces of at most *width* columns, after ``/``, ``-``, ``.`` or ``_`` where that can be done."""
    pieces = [""]
    for word in _AFTER_SEPARATOR.split(key):
        if pieces[-1] and cell_len(pieces[-1]) + cell_len(word) > width:
            pieces.append("")
        for char in word:
            if cell_len(pieces[-1]) + cell_len(char) > width:
                pieces.append("")
            pieces[-1] += char
    return pieces


def _padded(text: str, width: int, *, right: bool = False) -> str:
    blank = " " * max(width - cell_len(text), 0)
    return blank + text if right else text + blank
