"""The agent that does nothing: whatever it passes is not worth testing."""

from __future__ import annotations

from pytest_2501bench.agents.protocol import Assignment, Journal, Outcome
from pytest_2501bench.evidence.model import ResolutionStatus

SUMMARY = "No action was taken."


class NoopAgent:
    """Looks at nothing, changes nothing, and says so."""

    name = "noop"
    whole_ticket = False

    def warm_up(self) -> None:
        """Nothing to prepare."""

    async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
        """Return at once with ``no_action``."""
        for task in assignment.tasks:
            log = journal.task(task.task_id)
            log.plan("Do nothing.")
            log.commands(())
            log.message(SUMMARY)
        return Outcome(ResolutionStatus.NO_ACTION, SUMMARY)

    def close(self) -> None:
        """Nothing to release."""
