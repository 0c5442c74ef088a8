"""The side of xdist's controller: pre-flight once, one display, what a crashed worker leaves, an end that waits."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_2501bench.errors import BenchError, Phase
from pytest_2501bench.gathering import Results
from pytest_2501bench.html_wiring import about_scenarios
from pytest_2501bench.interrupt import terminated_like_interrupted
from pytest_2501bench.preflight import check_and_begin, header_lines
from pytest_2501bench.state import STATE
from pytest_2501bench.verdict import is_verdict
from pytest_2501bench.wiring import session_of
from pytest_2501bench.xdist.ansible import share_ansible
from pytest_2501bench.xdist.line import Desk, Listeners
from pytest_2501bench.xdist.lost import settle_dead
from pytest_2501bench.xdist.units import file_of, unit_of
from pytest_2501bench.xdist.usage import FILES, told_usage_error
from pytest_2501bench.xdist.verdicts import report_verdicts
from pytest_2501bench.xdist.workers import workers_row

if TYPE_CHECKING:
    from pytest_2501bench.announce import TerminalAnnouncer
    from pytest_2501bench.scenario.model import LoadedScenario
    from pytest_2501bench.session import BenchSession

END_SECONDS: Final = 120.0
"""How long interrupted workers may take to remove their sandboxes; restore.yml of a registered host is the longest."""

_TEARING: Final = ("each", "worksteal", "loadgroup")


class Controller:
    """Registered where xdist distributes. Workers make the runs; everything that happens once happens here."""

    def __init__(self, config: pytest.Config, results: Results, cleanup: contextlib.ExitStack) -> None:
        self._config = config
        self._state = config.stash[STATE]
        self._results = results
        self._cleanup = cleanup
        self._loaded: dict[str, LoadedScenario] | None = None  # by node id of the file; None before pre-flight
        self._announcer: TerminalAnnouncer | None = None
        self._pids: dict[str, int] = {}
        self._verdicts: list[str] = []  # items that are the verdicts on all runs of a scenario
        self._decided: set[str] = set()  # runs of dead workers that have their verdicts all the same

    # ---- before the first run -------------------------------------------------------------------------------------

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker which benchmark it works for, since a run is claimed once per benchmark, and where to call."""
        from pytest_2501bench.ids import new_id

        self._state.benchmark_id = self._state.benchmark_id or new_id("bmk")
        node.workerinput["bench2501_benchmark"] = self._state.benchmark_id
        if about_scenarios(self._config):
            node.workerinput["bench2501_line"] = str(self._desk.folder)
        self._pids[node.gateway.id] = node.gateway._rinfo().pid

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Keep the checks of a run on one worker; other ways to distribute, and other projects, are left alone."""
        if config.getoption("dist") != "load" or not about_scenarios(config):
            return None
        from pytest_2501bench.xdist.scheduler import RunScheduling

        return RunScheduling(config, log, self._estimate)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """While workers work, SIGTERM is like Ctrl-C."""
        with terminated_like_interrupted():
            result = yield
        if self._verdicts:
            report_verdicts(self._config, self._verdicts, self._loaded or {})
        return result

    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Make the pre-flight when the first worker says what there is to run; none of them has begun then."""
        self._raise_usage_error()  # pytest finishes a collection also when it fails
        runs = {run for item in ids if (run := unit_of(item)) is not None}
        if self._loaded is not None or not runs:
            return
        dist = self._config.getoption("dist")
        if dist in _TEARING:
            raise pytest.UsageError(
                f"--dist {dist}: it would give the checks of a run to several workers, but a run happens once. "
                "Use --dist load (what -n means), loadscope or loadfile."
            )
        self._verdicts = [item for item in ids if is_verdict(item)]
        if self._verdicts and dist != "load":
            raise pytest.UsageError(
                f"--dist {dist}: --require and --fail-on-regression need --dist load, which is what -n means."
            )
        loaded = self._load({file for item in ids if (file := file_of(item)) is not None})
        bench = session_of(self._config)
        self._cleanup.callback(bench.close)
        if not check_and_begin(self._config, list(loaded.values()), self._results.write):
            raise pytest.UsageError("--bench-check makes no runs: leave out -n.")  # the command line says so earlier
        self._loaded = loaded
        self._desk.tell_engine(bench.engine)
        share_ansible(self._desk.folder)
        for line in header_lines(self._config, [workers_row(self._config, bench.provider, list(loaded.values()))]):
            self._results.write(line)
        self._show_progress(len(runs))

    def _raise_usage_error(self) -> None:
        told = told_usage_error(self._desk.folder) if "_desk" in self.__dict__ else None
        if told is not None:
            raise pytest.UsageError(told)

    @cached_property
    def _desk(self) -> Desk:
        desk = Desk(Listeners(self._phase, self._detail, self._done))
        self._cleanup.callback(desk.close)
        return desk

    def _load(self, files: Iterable[str]) -> dict[str, LoadedScenario]:
        from pytest_2501bench.extensions import validators_of
        from pytest_2501bench.scenario.load import load_scenario

        places: Mapping[str, str] = {}
        with contextlib.suppress(OSError, ValueError):
            places = json.loads((self._desk.folder / FILES).read_text())
        root = self._config.rootpath
        rules = {name: rule_type.model for name, rule_type in validators_of(self._config).items()}
        try:
            return {
                file: load_scenario(Path(places.get(file, root / file)), validators=rules, root=root)
                for file in sorted(files)
            }
        except BenchError as exc:  # it was collected a moment ago
            raise pytest.UsageError(str(exc)) from None

    def _estimate(self, runs: Iterable[str]) -> Mapping[str, float]:
        from pytest_2501bench.xdist.scheduler import guess_missing

        bench = session_of(self._config)
        if bench.settings.selfcheck:
            return dict.fromkeys(runs, 1.0)
        try:
            known = bench.store.last_durations(mode=bench.settings.mode)
        except BenchError as exc:
            self._results.write(f"how long runs took is not known: {exc}")
            known = {}
        loaded = self._loaded or {}
        keys = {run: loaded[file].scenario.key if (file := run.split("::")[0]) in loaded else None for run in runs}
        return guess_missing(known, keys)

    # ---- the display ----------------------------------------------------------------------------------------------

    def _show_progress(self, runs: int) -> None:
        from pytest_2501bench.announce import TerminalAnnouncer

        self._announcer = TerminalAnnouncer.open(self._config)
        if self._announcer is not None:
            self._announcer.progress.expect(runs)
            self._cleanup.callback(self._announcer.close)

    def _phase(self, worker: str, run: str, phase: str) -> None:
        if self._announcer is not None:
            self._announcer.progress.phase(run, Phase(phase), worker)

    def _detail(self, worker: str, line: str) -> None:
        if self._announcer is not None:
            self._announcer.progress.detail(line, worker)

    def _done(self, worker: str) -> None:
        if self._announcer is not None:
            self._announcer.progress.done(worker)

    @contextlib.contextmanager
    def _terminal_free(self) -> Generator[None]:
        """Within this context something else may write to the terminal."""
        progress = self._announcer.progress if self._announcer is not None else None
        if progress is not None:
            progress.hide()
        yield
        if progress is not None:
            progress.show()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, object, object]:
        """Keep the live lines out of the way of what is written about *report*."""
        with self._terminal_free():
            return (yield)

    # ---- a worker that dies ---------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Stop what a dead worker's agent does, store its run as lost, and remove its sandbox.

        Raises:
            pytest.UsageError: it did not crash: what the user wants cannot be; one line.
        """
        if error:
            self._raise_usage_error()
        if not error or error == "keyboard-interrupt" or self._loaded is None:
            return
        with self._terminal_free():
            self._bury(node.gateway.id, session_of(self._config))

    def _bury(self, worker: str, bench: BenchSession) -> None:
        ticket = self._desk.take_ticket(worker)
        if ticket is not None:
            with contextlib.suppress(BenchError):  # it goes on until its host is gone, a moment later
                bench.gateway.cancel(ticket)
        self._settle_dead(bench, died=f"worker {worker}", pid=self._pids.get(worker))
        try:
            for name in bench.provider.reap():
                self._results.write(f"removed sandbox {name}, left behind by worker {worker}")
        except BenchError as exc:
            self._results.write(str(exc))

    def _settle_dead(self, bench: BenchSession, died: str = "", pid: int | None = None) -> None:
        for scored, problem in settle_dead(bench, self._results.settled, died=died, pid=pid):
            if scored is not None:
                self._results.take(scored, settled=True)
                if scored.failure_cause is None:
                    self._decided.add(scored.nodeid)
            if problem:
                self._results.write(problem)

    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport, sched: Any) -> None:
        """Make the crash an error, and not a failure, of every check of the run that has no verdict yet."""
        run = unit_of(crashitem)
        if run is None:
            return
        worker = report.node.gateway.id
        decided = run in self._decided
        after = "after this run's verdicts, before its sandbox was removed"
        what = after if decided else "during this run, which is lost and not repeated"
        for item in [*getattr(sched, "lost", ()), crashitem]:  # xdist itself passes the last one on
            file, iteration, check = item.split("::", 2)
            loaded = (self._loaded or {}).get(file)
            name = f"{loaded.scenario.key if loaded is not None else file} {iteration}"
            location = (file, 0, f"{name} {check}")
            each = report if item is crashitem else pytest.TestReport(item, location, {}, "failed", None, "setup")
            each.location, each.when, each.longrepr = location, "setup", f"worker {worker} died {what}"
            # No folder: what is known of the run was taken when its worker went down.
            each.bench2501 = {"run": name, "folder": None, "settled": True}  # type: ignore[attr-defined]
            each.node = report.node  # type: ignore[attr-defined]
            if each is not report:
                self._config.hook.pytest_runtest_logreport(report=each)

    # ---- the end --------------------------------------------------------------------------------------------------

    # Within Course's, which then records the end; around xdist's, which ends the workers.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Let interrupted workers remove their sandboxes before xdist ends them; then store what never was reported."""
        bench = self._state.session
        if bench is None or self._loaded is None:
            return (yield)
        self._wait_for_workers()
        try:
            return (yield)
        finally:
            self._settle_dead(bench)

    def _wait_for_workers(self) -> None:
        busy = self._desk.busy()
        if not busy:
            return
        runs = f"{len(busy)} run{'s' if len(busy) > 1 else ''}"
        self._results.write(f"interrupted: {runs} in hand, their sandboxes are removed; Ctrl-C leaves them behind")
        for caller in busy:
            with contextlib.suppress(ProcessLookupError):
                os.kill(caller.pid, signal.SIGTERM)  # a worker that knows already, by Ctrl-C, does not mind
        try:
            ended = self._desk.wait_ended({caller.worker for caller in busy}, END_SECONDS)
        except KeyboardInterrupt:
            ended = False
        if not ended:
            self._results.write(
                "not waited for: the next session, or `2501bench sandbox purge-vms`, removes what is left"
            )
