"""The course of a pytest session that has scenario runs: selection, pre-flight, the runs, the end."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_2501bench.collect import Check, regroup
from pytest_2501bench.gathering import Results
from pytest_2501bench.interrupt import terminated_like_interrupted
from pytest_2501bench.preflight import check_and_begin, header_lines
from pytest_2501bench.state import STATE
from pytest_2501bench.verdict import is_verdict
from pytest_2501bench.wiring import ANNOUNCER, RUN, session_of

if TYPE_CHECKING:
    from pytest_2501bench.scenario.model import LoadedScenario


_UNTOUCHED = "2501bench-untouched"


class Course:
    """Registered once per session, also in projects without scenarios, where it does nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._state = config.stash[STATE]
        self._cleanup = contextlib.ExitStack()
        self._results = Results(config)
        self._untouched = False  # --changed-since left nothing to run
        if self._state.worker:
            return
        config.pluginmanager.register(self._results, "2501bench-results")
        if self._state.settings.selfcheck:
            from pytest_2501bench.selfcheck.summary import Summary

            config.pluginmanager.register(Summary(config), "2501bench-selfcheck")
        if config.pluginmanager.hasplugin("dsession"):
            from pytest_2501bench.xdist.controller import Controller

            config.pluginmanager.register(Controller(config, self._results, self._cleanup), "2501bench-xdist")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Resolve ``--scenarios``; then, after every other plugin, keep the checks of each run together."""
        if self._state.worker:
            from pytest_2501bench.xdist.usage import usage_errors_told

            with usage_errors_told(config):
                self._select(session, items)
        else:
            self._select(session, items)
        result = yield
        if any(isinstance(item, Check) for item in items):
            regroup(items)
        return result

    def _select(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        # After a collection error names may be missing that the broken files define: the error is told, not these.
        if session.testsfailed or not (self._state.settings.scenarios or self._state.settings.changed_since):
            return
        from pytest_2501bench.selection import deselected

        left = deselected(self._config, items)
        if left:
            gone = set(left)
            self._config.hook.pytest_deselected(items=left)
            items[:] = [item for item in items if item not in gone]
            self._untouched = not items and self._state.settings.changed_since is not None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell an xdist controller what was collected, before xdist does: it checks and schedules with both."""
        if self._state.worker:
            from pytest_2501bench.xdist.usage import tell_files

            tell_files(self._config, session.items)

    def pytest_report_collectionfinish(self, items: list[pytest.Item]) -> list[str]:
        """Say which settings hold, each with its source, when there is something to run with them."""
        return header_lines(self._config) if self._scenarios(items) else []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Pre-flight, before the first run; with ``--bench-check`` nothing but that."""
        option = session.config.option
        scenarios = self._scenarios(session.items)
        if not scenarios or option.collectonly or (session.testsfailed and not option.continue_on_collection_errors):
            return None
        self._cleanup.callback(session_of(self._config).close)
        self._cleanup.enter_context(terminated_like_interrupted(once=self._state.worker))
        if self._state.worker:  # the controller has made the pre-flight, and shows what happens
            from pytest_2501bench.xdist.worker import LineAnnouncer, call_controller

            line = call_controller(self._config)
            if line is not None:
                self._config.stash[ANNOUNCER] = LineAnnouncer(line)
            return None
        if not check_and_begin(self._config, scenarios, self._results.write):
            return True
        self._show_progress()
        return None

    def _scenarios(self, items: Iterable[pytest.Item]) -> list[LoadedScenario]:
        """Return the scenarios that are about to be run, or to prove themselves."""
        if not self._state.keys:
            return []  # a project without scenarios
        from pytest_2501bench.selection import scenario_of

        found = (scenario_of(item) for item in items if not is_verdict(item.nodeid))
        return list({loaded.scenario.key: loaded for loaded in found if loaded is not None}.values())

    def _show_progress(self) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None and all(isinstance(item, Check) for item in terminal._session.items):
            terminal.showfspath = False  # every run has a line of its own with its key; file names would stand between
        from pytest_2501bench.announce import TerminalAnnouncer

        announcer = TerminalAnnouncer.open(self._config)
        if announcer is not None:
            self._config.stash[ANNOUNCER] = announcer
            self._cleanup.callback(announcer.close)

    # Innermost: pytest's own teardown of an interrupted run has happened then, and the summary is still to come.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
        """Record the end of the benchmark, also when a teardown failed."""
        try:
            if self._untouched and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
                session.exitstatus = pytest.ExitCode.OK  # a pull request that touches no scenario is no mistake
                if self._state.worker:
                    self._config.workeroutput[_UNTOUCHED] = True  # type: ignore[attr-defined]
                else:
                    self._results.write(f"--changed-since {self._state.settings.changed_since}: it touches no scenario")
            return (yield)
        finally:
            self._settle(session)
            if not self._state.worker:
                self._results.finish()

    def _settle(self, session: pytest.Session) -> None:
        """Settle the run whose teardown was cut off: pytest forgets a node's other finalizers after Ctrl-C in one."""
        for item in session.items:
            run = item.run.stash.get(RUN, None) if isinstance(item, Check) else None
            if run is not None and not run.settled:
                from pytest_2501bench.errors import BenchError

                try:
                    run.settle()
                except BenchError as exc:
                    self._results.write(str(exc))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear from an xdist worker that nothing was left to run: the controller collects nothing itself."""
        self._untouched |= bool(getattr(node, "workeroutput", {}).get(_UNTOUCHED))

    def pytest_unconfigure(self) -> None:
        """Close everything, whatever happened before."""
        self._cleanup.close()
