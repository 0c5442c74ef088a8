"""How tasks and jobs are resolved, and what that makes of their status."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_2501bench.evidence.model import ResolutionStatus

JOB_STATUS = {
    ResolutionStatus.SUCCESS: "completed",
    ResolutionStatus.PARTIAL: "completed",
    ResolutionStatus.NO_ACTION: "completed",
    ResolutionStatus.AGENTIC_FAILURE: "failed",
    ResolutionStatus.HARD_FAILURE: "failed",
    ResolutionStatus.NO_TASKS_CREATED: "failed",
}
TASK_STATUS = {
    ResolutionStatus.SUCCESS: "completed",
    ResolutionStatus.PARTIAL: "incomplete",
    ResolutionStatus.NO_ACTION: "completed",
    ResolutionStatus.AGENTIC_FAILURE: "failed",
    ResolutionStatus.HARD_FAILURE: "failed",
    ResolutionStatus.NO_TASKS_CREATED: "failed",
}


def combined(resolutions: Iterable[ResolutionStatus]) -> ResolutionStatus:
    """Return the resolution of a job whose tasks were resolved so: all alike, or partial if some of it was done."""
    kinds = set(resolutions)
    if not kinds:
        return ResolutionStatus.NO_TASKS_CREATED
    if len(kinds) == 1:
        return kinds.pop()
    if kinds & {ResolutionStatus.SUCCESS, ResolutionStatus.PARTIAL}:
        return ResolutionStatus.PARTIAL
    worst_first = (ResolutionStatus.HARD_FAILURE, ResolutionStatus.AGENTIC_FAILURE)
    return next(r for r in worst_first if r in kinds)
