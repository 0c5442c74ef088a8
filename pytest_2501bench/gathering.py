"""What became of the runs of a session: their lines, the summary, other plugins and a CI system are told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_2501bench.state import STATE
from pytest_2501bench.verdict import REGRESSION, REQUIREMENT, is_verdict, kind_of
from pytest_2501bench.wiring import session_of

if TYPE_CHECKING:
    from pytest_2501bench.report.findings import Artifacts
    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.scoring.model import Status
    from pytest_2501bench.session import BenchSession

_SECTION = "2501 benchmark"


class Results:
    """Registered once per session, but not in xdist workers; does nothing in projects without scenarios."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._state = config.stash[STATE]
        self._shown: set[str] = set()
        self._settled: set[str] = set()
        self._skipped: dict[str, str] = {}
        self._verdicts: dict[str, list[tuple[str, Status, list[str]]]] = {REQUIREMENT: [], REGRESSION: []}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a run's report says; the first time it is known, show its line."""
        note: dict[str, Any] | None = getattr(report, "bench2501", None)
        if note is None:
            if is_verdict(report.nodeid):
                self._note_verdict(report)
            return
        if report.skipped and note["folder"] is None and isinstance(report.longrepr, tuple):
            self._skipped[note["run"]] = report.longrepr[2].removeprefix("Skipped: ")
        folder, settled = note["folder"], note["settled"]
        if folder is None or folder in self._settled or (folder in self._shown and not settled):
            return
        from pytest_2501bench.errors import BenchError
        from pytest_2501bench.evidence.folder import read_report

        bench = session_of(self._config)
        try:
            scored = read_report(bench.settings.bench_dir / folder)
            if hasattr(report, "node"):  # it ran in an xdist worker, which does not write to the database
                bench.keep(scored)
        except BenchError as exc:
            self.write(str(exc))
            return
        self.take(scored, settled=settled)

    def _note_verdict(self, report: pytest.TestReport) -> None:
        name = REGRESSION if kind_of(report.nodeid) == REGRESSION else REQUIREMENT
        judged = [str(value) for property_name, value in report.user_properties if property_name == name]
        if judged and (report.when == "call" or report.failed):
            from pytest_2501bench.scoring.model import Status

            failed = Status.FAILED if report.when == "call" else Status.ERROR
            title = report.location[2].removesuffix(f" {kind_of(report.nodeid)}")
            self._verdicts[name].append((title, Status.PASSED if report.passed else failed, judged))

    def take(self, scored: ScenarioReport, *, settled: bool) -> None:
        """Show the run's line, unless it was shown; *settled*: nothing more will become known of it."""
        if scored.evidence not in self._shown:
            self._shown.add(scored.evidence)
            self._show_run(scored)
        if settled:
            self._settled.add(scored.evidence)

    @property
    def settled(self) -> frozenset[str]:
        """The folders of runs of which everything is known, relative to the bench directory."""
        return frozenset(self._settled)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Our runs have lines of their own; dots would only blur them."""
        if getattr(report, "bench2501", None) is None or self._config.get_verbosity() > 0:
            return None
        if hasattr(report, "wasxfail"):
            return "xfailed", "", "COUNTED"
        if report.when == "call" and report.outcome in ("passed", "failed"):
            return report.outcome, "", report.outcome.upper()
        if report.failed:
            return "error", "", "ERROR"
        if report.skipped:
            return "skipped", "", "SKIPPED"
        return None

    def finish(self) -> None:
        """Record the end of the benchmark, and tell others."""
        bench = self._state.session
        if bench is None or not (bench.reports or self._skipped):
            return
        from pytest_2501bench.errors import BenchError

        if bench.reports:
            try:
                bench.end()
            except BenchError as exc:
                self.write(str(exc))
        self._publish(bench)

    def _publish(self, bench: BenchSession) -> None:
        """Hand all runs to other plugins and to a CI system; here, because there may be no terminal summary."""
        reports = list(bench.reports.values())
        self._config.hook.pytest_2501bench_report(config=self._config, benchmark=bench.benchmark, reports=reports)
        problem = bench.write_report() if bench.reports else ""
        if problem:
            self.write(problem)
        target = os.environ.get("GITHUB_STEP_SUMMARY")
        if target:
            from pytest_2501bench.report.markdown import append_step_summary, summary_markdown

            skipped = list(self._skipped.items())
            text = summary_markdown(reports, bench.benchmark, self._artifacts(bench), skipped=skipped)
            try:
                append_step_summary(Path(target), text)
            except OSError as exc:
                self.write(f"GITHUB_STEP_SUMMARY {target}: cannot be written: {exc.strerror or exc}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the table, every red gate, every loss, and where everything is."""
        bench = self._state.session
        if bench is None or not (bench.reports or self._skipped):
            return
        from pytest_2501bench.report.lines import write_lines
        from pytest_2501bench.report.terminal import summary, verdict_lines

        reports = list(bench.reports.values())
        artifacts = self._artifacts(bench)
        terminalreporter.section(_SECTION)
        width = terminalreporter._tw.fullwidth
        lines = summary(reports, bench.benchmark, artifacts, skipped=list(self._skipped.items()), width=width)
        lines += verdict_lines("required of all runs of a scenario together", self._verdicts[REQUIREMENT], width)
        lines += verdict_lines("compared with earlier runs", self._verdicts[REGRESSION], width)
        write_lines(terminalreporter._tw, lines)

    def _show_run(self, scored: ScenarioReport) -> None:
        from pytest_2501bench.report.lines import write_lines
        from pytest_2501bench.report.terminal import run_line

        terminal = self._terminal()
        if terminal is not None:
            terminal.ensure_newline()
            write_lines(terminal._tw, run_line(scored, width=terminal._tw.fullwidth))

    def _artifacts(self, bench: BenchSession) -> Artifacts:
        from pytest_2501bench.options import DATABASE_FILE
        from pytest_2501bench.report.findings import Artifacts
        from pytest_2501bench.scenario.old_form import shown_path

        option = self._config.option
        here, bench_dir = self._config.invocation_params.dir, bench.settings.bench_dir
        default = bench.settings.database_url is None
        return Artifacts(
            bench_dir=shown_path(bench_dir, here),
            database=shown_path(bench_dir / DATABASE_FILE, here) if default else bench.store.target.shown,
            junit=getattr(option, "xmlpath", None),
            html=getattr(option, "htmlpath", None),
            report=None if bench.settings.report is None else shown_path(bench.settings.report, here),
            markdown=os.environ.get("GITHUB_STEP_SUMMARY"),
        )

    def _terminal(self) -> Any:
        return self._config.pluginmanager.getplugin("terminalreporter")

    def write(self, line: str) -> None:
        """Show *line* on the terminal, if there is one."""
        terminal = self._terminal()
        if terminal is not None:
            if terminal._tw.width_of_current_line:  # ensure_newline() does not know of a percentage at the line's end
                terminal._tw.line()
            terminal.write_line(line)
