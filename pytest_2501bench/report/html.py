"""pytest-html's hooks: columns for scenario runs, and the section of a run below its row.

Everything that a column shows comes from ``user_properties``, so a report that xdist has sent is as good as one made
here. Imported only when ``--html`` is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

import pytest
from pytest_html import extras

from pytest_2501bench.errors import Gate
from pytest_2501bench.matrix import run_name
from pytest_2501bench.report.figures import GATE_NAME, percent, seconds, tokens
from pytest_2501bench.report.html_section import rates_table, run_section, stylesheet
from pytest_2501bench.report.plain import one_line

if TYPE_CHECKING:
    from pytest_2501bench.evidence.model import Evidence
    from pytest_2501bench.report.model import ScenarioReport

_HEADINGS: Final = (
    ("benchKey", "Scenario"),
    ("benchGate", "Gate"),
    ("benchCompliance", "Compliance"),
    ("benchSeconds", "Run time"),
    ("benchTokens", "Tokens"),
)
_AFTER_TEST: Final = 2  # pytest-html's own columns: Result, Test, Duration, Links


class HtmlColumns:
    """Plugin for pytest's plugin manager; to be registered on the controller, before ``pytest_sessionstart``.

    Args:
        reports: the session's runs so far, for the rates in the page's head.
    """

    def __init__(self, reports: Callable[[], Sequence[ScenarioReport]] = lambda: ()) -> None:
        self._reports = reports

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add the headings; all sortable."""
        cells[_AFTER_TEST:_AFTER_TEST] = header_cells()

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        """Add a row's cells, empty ones for a test that is no check of a scenario."""
        if cells:  # another plugin empties them to leave the row out
            cells[_AFTER_TEST:_AFTER_TEST] = row_cells(getattr(report, "user_properties", ()))

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Add the style that all sections share, and the rates."""
        prefix.append(stylesheet())
        if reports := self._reports():
            prefix.append(rates_table(reports))


def section_extras(
    report: ScenarioReport, evidence: Evidence | None, gate: Gate, *, whole: bool | None = None
) -> list[dict[str, str | None]]:
    """Return what to add to ``TestReport.extras`` of a gate's item: one html extra, JSON-safe. See :func:`run_section`.

    It belongs on the ``call`` report, or on ``setup`` when that failed: pytest-html shows extras of all three phases.
    """
    return [extras.html(run_section(report, evidence, gate, whole=whole))]


def header_cells() -> list[str]:
    """Return the ``<th>`` of our columns."""
    return [f'<th class="sortable" data-column-type="{name}">{heading}</th>' for name, heading in _HEADINGS]


def row_cells(user_properties: Sequence[Sequence[object]]) -> list[str]:
    """Return the ``<td>`` of our columns, from what :func:`pytest_2501bench.report.junit.properties` gave."""
    values = {str(pair[0]): str(pair[1]) for pair in user_properties if len(pair) == 2}
    if not {"key", "run_id", "benchmark_id"} <= values.keys():
        return [_cell(name, "") for name, _ in _HEADINGS]
    gate = values.get("gate", "further check")
    names: dict[str, str] = {each.value: name for each, name in GATE_NAME.items()}
    score, time, used = (_number(values.get(name)) for name in ("compliance_score", "duration", "tokens"))
    shown = (
        _words(f"{values['key']} {run_name(int(values.get('iteration', 1)), values.get('variant', ''))}"),
        _words(names.get(gate, gate)),
        _figure(score, percent) if gate == Gate.COMPLIANCE.value and values.get("status") != "error" else "",
        _figure(time, seconds),
        _figure(used, lambda value: tokens(round(value))),
    )
    return [_cell(name, text) for (name, _), text in zip(_HEADINGS, shown, strict=True)]


def _cell(name: str, content: str) -> str:
    return f'<td class="col-{name}">{content}</td>'


def _words(text: str) -> str:
    return escape(one_line(text))


def _figure(value: float | None, shown: Callable[[float], str]) -> str:
    # pytest-html sorts by the cell's html as text: hidden digits of equal length make that the numeric order.
    return "" if value is None else f"<span hidden>{value:018.4f}</span>{escape(shown(value))}"


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
