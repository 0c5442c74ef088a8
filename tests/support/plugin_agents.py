"""Agents for the local engine's own process, as another plugin would bring them (hook ``pytest_2501bench_agents``)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from pytest_2501bench.agents.protocol import Assignment, Journal, Outcome
from pytest_2501bench.evidence.model import Command, ResolutionStatus


class Finder:
    """Says what the scenarios of these tests want to hear, without a look at any host."""

    name = "finder"
    whole_ticket = False

    def warm_up(self) -> None:
        pass

    async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
        journal.task(assignment.tasks[0].task_id).commands([Command(command="du -sh /var/log", exit_status=0)])
        return Outcome(ResolutionStatus.SUCCESS, "a runaway log had filled the disk")

    def close(self) -> None:
        pass


class Killer(Finder):
    """Kills the engine in the middle of the job: what a crash, or the kernel short of memory, does."""

    name = "killer"

    async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
        (Path(assignment.log_directory) / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
        return await super().work(assignment, journal)
