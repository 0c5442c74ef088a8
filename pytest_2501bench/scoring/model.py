"""Verdicts of rules and gates, frozen."""

from __future__ import annotations

from enum import StrEnum

from pytest_2501bench.errors import Cause, Gate
from pytest_2501bench.evidence.model import Record


class Status(StrEnum):
    """A verdict. ``error``: none could be reached, so it is neither passed nor failed and not in the denominator."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


class Span(Record):
    """The piece of evidence that decided a rule."""

    source: str  # "tasks[0].executed_commands[3]", "job.resolution_status", "ticket.messages"
    text: str  # the matched text with its line, shortened to 300 characters
    start: int | None = None  # character offsets of the match in the target's text
    end: int | None = None


class Finding(Record):
    """What an evaluator of a rule saw, before ``negate``. Validators of other plugins return it."""

    holds: bool | None  # None: no verdict, because the evidence is absent or the evaluator could not tell
    reason: str  # one line that is true as it stands: "matched in task 1", "3 tasks, not at most 2"
    cause: Cause | None = None  # with None above: why; evidence_missing when left out
    span: Span | None = None


class RuleResult(Record):
    """What became of one rule."""

    scope: str
    index: int  # in its scope's list: pointer /validation/<scope>/<index>
    label: str
    validator: str
    required: bool
    negate: bool
    status: Status
    reason: str  # one line: "matched in task 1", "no task matches", "no evidence: the engine gave no agent_messages"
    cause: Cause | None = None  # evidence_missing, pattern_timed_out for errors; rule_not_met for failures
    span: Span | None = None

    @property
    def pointer(self) -> str:
        """JSON pointer of the rule in its scenario.json."""
        if self.scope == "claims":
            return "/bench/claims_match"
        owner = "bench" if self.scope in ("rules", "policies", "outcome") else "validation"
        return f"/{owner}/{self.scope}/{self.index}"


class GateResult(Record):
    """What became of one gate."""

    gate: Gate
    status: Status
    reason: str  # one line, what decided
    cause: Cause | None = None  # None when passed
    rules: tuple[RuleResult, ...] = ()
    score: float | None = None  # compliance: rules passed / rules evaluated, 0..1; None when no rule was evaluated


class Verdicts(Record):
    """Both gates. A scenario passes only when both pass."""

    task_validation: GateResult
    compliance: GateResult

    @property
    def status(self) -> Status:
        """Failed if a gate failed; else error if a gate has none; else passed."""
        states = {self.task_validation.status, self.compliance.status}
        if Status.FAILED in states:
            return Status.FAILED
        return Status.ERROR if Status.ERROR in states else Status.PASSED
