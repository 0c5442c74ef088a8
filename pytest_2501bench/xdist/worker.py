"""A worker's side: its runs are shown by the controller, its engine is the controller's."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_2501bench.errors import Phase
from pytest_2501bench.gateway.protocol import Gateway, TicketSubmission
from pytest_2501bench.options import Settings
from pytest_2501bench.phases import Announcer
from pytest_2501bench.xdist.ansible import use_shared_ansible
from pytest_2501bench.xdist.line import WorkerLine

LINE: pytest.StashKey[WorkerLine] = pytest.StashKey()


class LineAnnouncer(Announcer):
    """Tells the controller what the run is at."""

    def __init__(self, line: WorkerLine) -> None:
        self._line = line

    def phase(self, run: str, phase: Phase) -> None:
        """Tell that *phase* of *run* starts."""
        self._line.phase(run, phase.value)

    def detail(self, line: str) -> None:
        """Tell what the phase is at."""
        self._line.detail(line)

    def done(self) -> None:
        """Tell that the run is over."""
        self._line.done()


class _TellingGateway:
    """A gateway that says which tickets it submitted; everything else is the gateway's own."""

    def __init__(self, gateway: Gateway, line: WorkerLine) -> None:
        self._gateway = gateway
        self._line = line

    def submit(self, ticket: TicketSubmission) -> str:
        reference = self._gateway.submit(ticket)
        self._line.ticket(reference)
        return reference

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)


def telling(make: Callable[[Settings], Gateway], line: WorkerLine) -> Callable[[Settings], Gateway]:
    """Return *make* with gateways that tell the controller of each ticket: it cancels those of a worker that dies."""
    return lambda settings: cast(Gateway, _TellingGateway(make(settings), line))


def call_controller(config: pytest.Config) -> WorkerLine | None:
    """Return this worker's line, opened on first use; None where there is no controller of ours."""
    workerinput: dict[str, Any] = getattr(config, "workerinput", {})
    folder = workerinput.get("bench2501_line")
    if folder is None:
        return None
    if LINE not in config.stash:
        line = WorkerLine(Path(folder), workerinput["workerid"], _end)
        use_shared_ansible(Path(folder))
        config.stash[LINE] = line
        config.add_cleanup(line.close)
    return config.stash[LINE]


def _end() -> None:
    """End this worker like its controller; execnet would do it too, later, and leave less time to remove a sandbox."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        os.kill(os.getpid(), signal.SIGTERM)
