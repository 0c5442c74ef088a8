"""The course of a pytest session that has scenario runs: selection, pre-flight, storing, the summary at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_2501bench.collect import Check, ScenarioRun, regroup
from pytest_2501bench.html_wiring import about_scenarios
from pytest_2501bench.interrupt import terminated_like_interrupted
from pytest_2501bench.state import STATE
from pytest_2501bench.wiring import ANNOUNCER, RUN, session_of

if TYPE_CHECKING:
    from pytest_2501bench.report.findings import Artifacts
    from pytest_2501bench.session import BenchSession

_SECTION = "2501 benchmark"


class Course:
    """Registered once per session, also in projects without scenarios, where it does nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._state = config.stash[STATE]
        self._cleanup = contextlib.ExitStack()
        self._shown: set[str] = set()
        self._settled: set[str] = set()
        self._skipped: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Resolve ``--scenarios``; then, after every other plugin, keep the checks of each run together."""
        self._select(session, items)
        result = yield
        if any(isinstance(item, Check) for item in items):
            regroup(items)
        return result

    def _select(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        wanted = self._state.settings.scenarios
        checks = [item for item in items if isinstance(item, Check)]
        # After a collection error names may be missing that the broken files define: the error is told, not these.
        if not wanted or session.testsfailed or not (checks or self._state.keys):
            return
        from pytest_2501bench.errors import BenchError
        from pytest_2501bench.scenario.select import select

        known = {item.run.loaded.scenario.key: item.run.loaded.scenario.tags for item in checks}
        try:
            keys = select(known.items(), ",".join(wanted))
        except BenchError as exc:
            raise pytest.UsageError(str(exc)) from None
        left = [item for item in checks if item.run.loaded.scenario.key not in keys]
        if left:
            gone = set(left)
            self._config.hook.pytest_deselected(items=left)
            items[:] = [item for item in items if item not in gone]

    def pytest_report_collectionfinish(self, items: list[pytest.Item]) -> list[str]:
        """Say which settings hold, each with its source, when there is something to run with them."""
        if not any(isinstance(item, Check) for item in items):
            return []
        from pytest_2501bench.report.lines import as_text
        from pytest_2501bench.report.terminal import header

        rows = self._state.settings.rows()
        if self._state.settings.database_url is None:
            rows.append(
                ("database", str(_shown(self._config, self._state.settings.bench_dir / "results.db")), "default")
            )
        return as_text(header(rows)).splitlines()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Pre-flight, before the first run; with ``--bench-check`` nothing but that."""
        option = session.config.option
        runs = {id(item.run): item.run for item in session.items if isinstance(item, Check)}
        if not runs or option.collectonly or (session.testsfailed and not option.continue_on_collection_errors):
            return None
        from pytest_2501bench.errors import BenchError

        bench = session_of(self._config)
        self._cleanup.callback(bench.close)
        self._cleanup.enter_context(terminated_like_interrupted())
        only_check = bool(self._config.getoption("bench_check"))
        try:
            for what, found in bench.preflight(_scenarios(runs.values())):
                if only_check:
                    self._write(f"{what:<12}{found}")
            if only_check:
                self._write("pre-flight passed; nothing was run (--bench-check).")
                return True
            for name in bench.begin():
                self._write(f"removed sandbox {name}, left behind by a session that died")
        except BenchError as exc:
            raise pytest.UsageError(f"pre-flight: {str(exc).removeprefix('preflight: ')}") from None
        self._show_progress()
        return None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker which benchmark it works for: a run is claimed once per benchmark."""
        from pytest_2501bench.ids import new_id

        self._state.benchmark_id = self._state.benchmark_id or new_id("bmk")
        node.workerinput["bench2501_benchmark"] = self._state.benchmark_id

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Keep the checks of a run on one worker; other ways to distribute, and other projects, are left alone."""
        if config.getoption("dist") != "load" or not about_scenarios(config):
            return None
        from pytest_2501bench.xdist import scheduler

        return scheduler(config, log)

    def _show_progress(self) -> None:
        terminal = self._terminal()
        if terminal is not None and all(isinstance(item, Check) for item in terminal._session.items):
            terminal.showfspath = False  # every run has a line of its own with its key; file names would stand between
        from pytest_2501bench.announce import TerminalAnnouncer

        if self._state.worker:
            return
        announcer = TerminalAnnouncer.open(self._config)
        if announcer is not None:
            self._config.stash[ANNOUNCER] = announcer
            self._cleanup.callback(announcer.close)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a run's report says; the first time it is known, show its line."""
        note: dict[str, Any] | None = getattr(report, "bench2501", None)
        if note is None or self._state.worker:
            return
        if report.skipped and note["folder"] is None and isinstance(report.longrepr, tuple):
            self._skipped[note["run"]] = report.longrepr[2].removeprefix("Skipped: ")
        folder, settled = note["folder"], note["settled"]
        if folder is None or folder in self._settled or (folder in self._shown and not settled):
            return
        from pytest_2501bench.errors import BenchError
        from pytest_2501bench.evidence.folder import read_report

        opened = self._state.session is not None
        bench = session_of(self._config)
        try:
            if not opened:  # the controller of xdist has no items, and so no pre-flight, of its own
                self._cleanup.callback(bench.close)
                bench.begin()
            scored = read_report(bench.settings.bench_dir / folder)
            if hasattr(report, "node"):  # it ran in an xdist worker, which does not write to the database
                bench.keep(scored)
        except BenchError as exc:
            self._write(str(exc))
            return
        if folder not in self._shown:
            self._shown.add(folder)
            self._show_run(scored)
        if settled:
            self._settled.add(folder)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Our runs have lines of their own; dots would only blur them."""
        if getattr(report, "bench2501", None) is None or self._config.get_verbosity() > 0:
            return None
        if report.when == "call" and report.outcome in ("passed", "failed"):
            return report.outcome, "", report.outcome.upper()
        if report.failed:
            return "error", "", "ERROR"
        if report.skipped:
            return "skipped", "", "SKIPPED"
        return None

    def _show_run(self, scored: Any) -> None:
        from pytest_2501bench.report.lines import write_lines
        from pytest_2501bench.report.terminal import run_line

        terminal = self._terminal()
        if terminal is not None:
            terminal.ensure_newline()
            write_lines(terminal._tw, run_line(scored, width=terminal._tw.fullwidth))

    # Innermost: pytest's own teardown of an interrupted run has happened then, and the summary is still to come.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Record the end of the benchmark, also when a teardown failed."""
        try:
            return (yield)
        finally:
            self._settle(session)
            bench = self._state.session
            if bench is not None and bench.reports:
                from pytest_2501bench.errors import BenchError

                try:
                    bench.end()
                except BenchError as exc:
                    self._write(str(exc))
            if bench is not None and not self._state.worker and (bench.reports or self._skipped):
                self._publish(bench)

    def _settle(self, session: pytest.Session) -> None:
        """Settle the run whose teardown was cut off: pytest forgets a node's other finalizers after Ctrl-C in one."""
        for item in session.items:
            run = item.run.stash.get(RUN, None) if isinstance(item, Check) else None
            if run is not None and not run.settled:
                from pytest_2501bench.errors import BenchError

                try:
                    run.settle()
                except BenchError as exc:
                    self._write(str(exc))

    def _publish(self, bench: BenchSession) -> None:
        """Hand all runs to other plugins and to a CI system; here, because there may be no terminal summary."""
        reports = list(bench.reports.values())
        self._config.hook.pytest_2501bench_report(config=self._config, benchmark=bench.benchmark, reports=reports)
        target = os.environ.get("GITHUB_STEP_SUMMARY")
        if target:
            from pytest_2501bench.report.markdown import append_step_summary, summary_markdown

            skipped = list(self._skipped.items())
            text = summary_markdown(reports, bench.benchmark, self._artifacts(bench), skipped=skipped)
            try:
                append_step_summary(Path(target), text)
            except OSError as exc:
                self._write(f"GITHUB_STEP_SUMMARY {target}: cannot be written: {exc.strerror or exc}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the table, every red gate, every loss, and where everything is."""
        bench = self._state.session
        if bench is None or not (bench.reports or self._skipped):
            return
        from pytest_2501bench.report.lines import write_lines
        from pytest_2501bench.report.terminal import summary

        reports = list(bench.reports.values())
        artifacts = self._artifacts(bench)
        terminalreporter.section(_SECTION)
        width = terminalreporter._tw.fullwidth
        lines = summary(reports, bench.benchmark, artifacts, skipped=list(self._skipped.items()), width=width)
        write_lines(terminalreporter._tw, lines)

    def pytest_unconfigure(self) -> None:
        """Close everything, whatever happened before."""
        self._cleanup.close()

    def _artifacts(self, bench: BenchSession) -> Artifacts:
        from pytest_2501bench.report.findings import Artifacts

        option = self._config.option
        return Artifacts(
            bench_dir=str(_shown(self._config, bench.settings.bench_dir)),
            database=self._database(bench),
            junit=getattr(option, "xmlpath", None),
            html=getattr(option, "htmlpath", None),
            markdown=os.environ.get("GITHUB_STEP_SUMMARY"),
        )

    def _database(self, bench: BenchSession) -> str:
        if bench.settings.database_url is not None:
            return bench.store.target.shown
        return str(_shown(self._config, bench.settings.bench_dir / "results.db"))

    def _terminal(self) -> Any:
        return self._config.pluginmanager.getplugin("terminalreporter")

    def _write(self, line: str) -> None:
        terminal = self._terminal()
        if terminal is not None:
            if terminal._tw.width_of_current_line:  # ensure_newline() does not know of a percentage at the line's end
                terminal._tw.line()
            terminal.write_line(line)


def _scenarios(runs: Any) -> list[Any]:
    found: dict[str, Any] = {}
    for run in runs:
        assert isinstance(run, ScenarioRun)
        found.setdefault(run.loaded.scenario.key, run.loaded)
    return list(found.values())


def _shown(config: pytest.Config, path: Path) -> Path:
    here = config.invocation_params.dir
    return path.relative_to(here) if path.is_relative_to(here) else path
