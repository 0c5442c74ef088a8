"""Gathers the results of ``--selfcheck`` where the summary is shown, and writes them down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.selfcheck.items import PROPERTY
from pytest_2501bench.selfcheck.matrix import page, rows_of, table
from pytest_2501bench.state import STATE

_MARK = "::selfcheck::"


class Summary:
    """Registered once per session with ``--selfcheck``, but not in xdist workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results: dict[str, dict[str, Any]] = {}
        self._skipped: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a claim's result."""
        if _MARK not in report.nodeid:
            return
        for name, value in report.user_properties:
            if name == PROPERTY:
                self._results[report.nodeid] = json.loads(str(value))
        if report.skipped and isinstance(report.longrepr, tuple):
            key = report.location[2].rpartition(" ")[0]
            self._skipped[key] = report.longrepr[2].removeprefix("Skipped: ")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the matrix, and say where the rest is."""
        if not (self._results or self._skipped):
            return
        from pytest_2501bench.report.lines import write_lines

        rows = rows_of(self._results.values(), self._skipped)
        terminalreporter.section("2501 self-check")
        write_lines(terminalreporter._tw, table(rows))
        settings = self._config.stash[STATE].settings
        if settings.selfcheck_report is not None:
            self._write(terminalreporter, settings.selfcheck_report, page(rows, settings.mode))
        session = self._config.stash[STATE].session
        if session is not None and self._results:
            folder = settings.bench_dir / "selfcheck" / session.benchmark_id
            self._write(terminalreporter, folder / "results.json", json.dumps(list(self._results.values()), indent=1))
            terminalreporter.write_line(f"logs and evidence: {folder}")

    def _write(self, terminalreporter: Any, file: Path, text: str) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + ("" if text.endswith("\n") else "\n"), encoding="utf-8")
        except OSError as exc:
            terminalreporter.write_line(f"{file}: cannot be written: {exc.strerror or exc}", red=True)
