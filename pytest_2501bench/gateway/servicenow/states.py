"""What the states and close codes of incidents and changes mean in our words. The values are those out of the box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_2501bench.evidence.model import JobRecord, ResolutionStatus


@dataclass(frozen=True, slots=True)
class Model:
    """One table's states: sets of what the ``state`` field may hold.

    Attributes:
        new: nobody works it yet.
        working: begun.
        done: worked to its end.
        over: nothing happens to it any more.
        words: ticket status by state, for rules of type ``ticket_status``.
    """

    new: frozenset[str]
    working: str
    done: str
    closed: str
    cancelled: str
    words: Mapping[str, str]
    close_codes: Mapping[ResolutionStatus, str]

    @property
    def over(self) -> frozenset[str]:
        """States that nothing leaves."""
        return frozenset({self.closed, self.cancelled})

    @property
    def ended(self) -> frozenset[str]:
        """States in which the work is over."""
        return self.over | {self.done}


INCIDENT = Model(
    new=frozenset({"1"}),
    working="2",
    done="6",
    closed="7",
    cancelled="8",
    words={"1": "new", "2": "in_progress", "3": "on_hold", "6": "resolved", "7": "closed", "8": "cancelled"},
    close_codes={
        ResolutionStatus.SUCCESS: "Solution provided",
        ResolutionStatus.PARTIAL: "Workaround provided",
    },
)
CHANGE = Model(
    new=frozenset({"-5", "-4", "-3", "-2"}),
    working="-1",
    done="0",
    closed="3",
    cancelled="4",
    words={
        "-5": "new",
        "-4": "assess",
        "-3": "authorize",
        "-2": "scheduled",
        "-1": "in_progress",
        "0": "resolved",
        "3": "closed",
        "4": "cancelled",
    },
    close_codes={
        ResolutionStatus.SUCCESS: "successful",
        ResolutionStatus.PARTIAL: "successful_issues",
        ResolutionStatus.AGENTIC_FAILURE: "unsuccessful",
    },
)
MODELS: Mapping[str, Model] = {"incident": INCIDENT, "change_request": CHANGE}

UNRESOLVED: Mapping[str, str] = {"incident": "No resolution provided", "change_request": "unsuccessful"}
"""The close code of what is closed without having been resolved."""

# Also the codes of instances that were set up before the present ones. What is not here was resolved, says its state.
_MEANING: Mapping[str, ResolutionStatus] = {
    "workaround provided": ResolutionStatus.PARTIAL,
    "solved (work around)": ResolutionStatus.PARTIAL,
    "successful_issues": ResolutionStatus.PARTIAL,
    "no resolution provided": ResolutionStatus.NO_ACTION,
    "not solved (not reproducible)": ResolutionStatus.NO_ACTION,
    "not solved (too costly)": ResolutionStatus.NO_ACTION,
    "unsuccessful": ResolutionStatus.AGENTIC_FAILURE,
}


def status_word(table: str, state: str) -> str:
    """Return our word for a state; an instance's own state is said as it is."""
    return MODELS[table].words.get(state, state)


def derived_job(table: str, number: str, state: str, close_code: str, close_notes: str) -> JobRecord | None:
    """Return the job as far as the record alone tells it; None while nobody has begun.

    Nobody who looks at the record sees which tasks there were, or which commands ran: they are unknown, not empty.
    """
    model = MODELS[table]
    if state in model.new:
        return None
    if state == model.cancelled:
        return JobRecord(
            id=number,
            status="cancelled",
            finished=True,
            resolution_status=ResolutionStatus.HARD_FAILURE,
            resolution_summary=close_notes or None,
        )
    if state not in model.ended:
        return JobRecord(id=number, status="in_progress", finished=False)
    resolution = _MEANING.get(close_code.lower(), ResolutionStatus.SUCCESS)
    return JobRecord(
        id=number,
        status="failed" if resolution is ResolutionStatus.AGENTIC_FAILURE else "completed",
        finished=True,
        resolution_status=resolution,
        resolution_summary=close_notes or None,
    )
