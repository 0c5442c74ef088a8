"""pytest, run in this process: Ctrl-C and SIGTERM reach it as ever, and its output need not be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.cli.program import FOUND, INTERRUPTED, OK, USAGE
from pytest_2501bench.cli.transcript import Transcript


class Watch:
    """A plugin that notes what only pytest knows: whether it was interrupted, and what failed beside a verdict."""

    def __init__(self) -> None:
        self.config: pytest.Config | None = None
        self.interrupted = False
        self.collection_failed = False
        self.broken = False  # a setup or teardown failed, or a worker died

    def pytest_configure(self, config: pytest.Config) -> None:
        """Note where the benchmark will be known."""
        self.config = config

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note Ctrl-C, SIGTERM and pytest.exit."""
        # pytest's own Interrupted means errors during collection, or a plugin that had enough.
        self.interrupted = not isinstance(excinfo.value, pytest.Session.Interrupted)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a scenario file that breaks the contract."""
        self.collection_failed |= report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note an error, which is no verdict."""
        self.broken |= report.failed and report.when != "call"


def run_pytest(arguments: Sequence[str], *, log_file: Path | None, fail_on_error: bool) -> int:
    """Run pytest with *arguments* and return the vendor's exit status.

    Args:
        arguments: of pytest.
        log_file: gets everything that is printed, and the log of every run.
        fail_on_error: a scenario that failed counts.

    Returns:
        0 everything ran; 1 a run was lost, or with *fail_on_error* failed; 2 nothing ran; 130 interrupted.

    Raises:
        BenchError: ``option_invalid``: *log_file* cannot be written.
    """
    watch = Watch()
    plugins: list[Any] = [watch]
    transcript = Transcript.open(log_file, arguments) if log_file is not None else None
    if transcript is not None:
        plugins.append(transcript)
    try:
        ended = int(pytest.main(list(arguments), plugins=plugins))
        status = exit_status(ended, watch, fail_on_error=fail_on_error)
    finally:
        if transcript is not None:
            transcript.close()
    return status


def exit_status(ended: int, watch: Watch, *, fail_on_error: bool) -> int:
    """Return the vendor's exit status for a session that *ended* with pytest's."""
    if watch.interrupted:
        return INTERRUPTED
    if ended in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        return USAGE
    if ended == pytest.ExitCode.INTERRUPTED and watch.collection_failed:
        return USAGE
    if ended == pytest.ExitCode.OK:
        return OK
    lost = watch.broken or watch.collection_failed or _lost(watch.config)
    if ended == pytest.ExitCode.TESTS_FAILED and not lost and not fail_on_error:
        return OK
    return FOUND


def _lost(config: pytest.Config | None) -> bool:
    """Say whether a run of this session has no verdict, as its folder on disk tells."""
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.evidence.folder import read_report, runs_in
    from pytest_2501bench.scoring.model import Status
    from pytest_2501bench.state import STATE

    if config is None or STATE not in config.stash:
        return True
    state = config.stash[STATE]
    for folder in runs_in(state.settings.bench_dir):
        if folder.benchmark_id != state.benchmark_id:
            continue
        try:
            if read_report(folder.path).status is Status.ERROR:
                return True
        except BenchError:
            return True
    return False
