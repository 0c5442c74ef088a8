"""Gathers the results of ``--selfcheck`` where the summary is shown, and writes them down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.selfcheck.history import append_line, current, origin, read_results
from pytest_2501bench.selfcheck.items import PROPERTY
from pytest_2501bench.selfcheck.matrix import page, rows_of, table
from pytest_2501bench.state import STATE

_MARK = "::selfcheck::"

RESULTS = "results.jsonl"
"""One line per claim, in the session's folder."""


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
            if name == PROPERTY and report.nodeid not in self._results:
                self._results[report.nodeid] = json.loads(str(value))
                self._keep(str(value))
        if report.skipped and isinstance(report.longrepr, tuple):
            key = report.location[2].rpartition(" ")[0]
            self._skipped[key] = report.longrepr[2].removeprefix("Skipped: ")

    def _keep(self, line: str) -> None:
        """Write a result down as it comes: a session that is cut off must not lose what it has seen."""
        folder = self._folder()
        files = [] if folder is None else [folder / RESULTS]
        if (shared := self._config.stash[STATE].settings.selfcheck_results) is not None:
            files.append(shared)
        for file in files:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                append_line(file, line)
            except OSError as exc:
                terminal = self._config.pluginmanager.getplugin("terminalreporter")
                if terminal is not None:
                    terminal.write_line(f"{file}: cannot be written: {exc.strerror or exc}", red=True)

    def _folder(self) -> Path | None:
        state = self._config.stash[STATE]
        if state.session is None:
            return None
        return state.settings.bench_dir / "selfcheck" / state.session.benchmark_id

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the matrix, and say where the rest is."""
        if not (self._results or self._skipped):
            return
        from pytest_2501bench.report.lines import write_lines

        rows = rows_of(self._results.values(), self._skipped)
        terminalreporter.section("2501 self-check")
        write_lines(terminalreporter._tw, table(rows))
        settings = self._config.stash[STATE].settings
        if settings.selfcheck_report is not None and (results := self._all(terminalreporter)):
            text = page(rows_of(results, self._skipped), settings.mode, origin(results))
            self._write(terminalreporter, settings.selfcheck_report, text)
        if (folder := self._folder()) is not None and self._results:
            terminalreporter.write_line(f"logs and evidence: {folder}")

    def _all(self, terminalreporter: Any) -> list[dict[str, Any]]:
        """Return this session's results, with what the shared file has of the same scenarios and others."""
        settings = self._config.stash[STATE].settings
        mine = list(self._results.values())
        if settings.selfcheck_results is None:
            return mine
        try:
            return current(read_results(settings.selfcheck_results), settings.mode)
        except (OSError, ValueError) as exc:
            terminalreporter.write_line(f"{exc} The matrix shows this session only.", red=True)
            return mine

    def _write(self, terminalreporter: Any, file: Path, text: str) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + ("" if text.endswith("\n") else "\n"), encoding="utf-8")
        except OSError as exc:
            terminalreporter.write_line(f"{file}: cannot be written: {exc.strerror or exc}", red=True)
