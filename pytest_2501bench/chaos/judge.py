"""What became of a run that was disturbed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_2501bench.chaos.plan import Kill, Part
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.scoring.model import Status


class Outcome(StrEnum):
    """How a disturbed run ended."""

    RECOVERED = "recovered"  # with the verdicts of an undisturbed run
    ERROR = "error"  # as lost to infrastructure: visible, and out of every rate
    LOST = "lost"  # without a stored result
    WRONG = "wrong"  # with other verdicts, with two results, or with an error that nobody is shown
    MISSED = "missed"  # it was over before the kill; nothing was tried


BAD = frozenset({Outcome.LOST, Outcome.WRONG})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Both gates of a run."""

    task_validation: Status
    compliance: Status

    @classmethod
    def of(cls, report: ScenarioReport) -> Verdict:
        """Return the verdicts of *report*."""
        return cls(report.task_validation.status, report.compliance.status)

    def __str__(self) -> str:
        return f"task validation {self.task_validation}, compliance {self.compliance}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one kill did."""

    kill: Kill
    outcome: Outcome
    reason: str = ""
    left: tuple[str, ...] = ()  # sandboxes and processes that outlived the session
    seconds: float = 0.0  # that the session took

    @property
    def bad(self) -> bool:
        """Whether this must not happen."""
        return self.outcome in BAD or bool(self.left)


def judge(
    expected: Verdict, reports: Sequence[ScenarioReport], *, struck: bool, exit_status: int | None
) -> tuple[Outcome, str]:
    """Return how a run ended, and why that is so.

    Args:
        expected: the verdicts of an undisturbed run.
        reports: what is stored of the run, one report if all is well.
        struck: whether the kill happened before the run was over.
        exit_status: of its session; None if it had to be ended.
    """
    if not reports:
        return Outcome.LOST, "no result is stored"
    if len(reports) > 1:
        return Outcome.WRONG, f"{len(reports)} results are stored of one run"
    report, seen = reports[0], Verdict.of(reports[0])
    for name in ("task_validation", "compliance"):
        wanted, got = getattr(expected, name), getattr(seen, name)
        if got not in (wanted, Status.ERROR):
            gate = getattr(report, name)
            return Outcome.WRONG, f"{name}: {got} instead of {wanted}: {gate.reason}"
    if exit_status is None:
        return Outcome.WRONG, "the session did not end by itself"
    why = report.failure_message or next(
        (gate.reason for gate in (report.task_validation, report.compliance) if gate.status is Status.ERROR), ""
    )
    if Status.ERROR in (seen.task_validation, seen.compliance):
        if exit_status == 0:
            return Outcome.WRONG, f"an error, but the session's exit status is 0: {why}"
        return (Outcome.ERROR if struck else Outcome.WRONG), f"{report.failure_cause or 'error'}: {why}"
    if not struck:
        return Outcome.MISSED, "the run was over before"
    all_passed = (seen.task_validation, seen.compliance) == (Status.PASSED, Status.PASSED)
    if all_passed and exit_status != 0:
        return Outcome.ERROR, f"the verdicts are stored, but the session has an error (exit status {exit_status})"
    return Outcome.RECOVERED, ""


def figures(judgements: Iterable[Judgement]) -> dict[Part, Counter[Outcome]]:
    """Return how often each outcome came, by part."""
    found: dict[Part, Counter[Outcome]] = {}
    for judgement in judgements:
        found.setdefault(judgement.kill.part, Counter())[judgement.outcome] += 1
    return {part: found[part] for part in Part if part in found}


def table(judgements: Sequence[Judgement]) -> list[str]:
    """Return the figures as lines of text, a part a line, and all of them at the end."""
    counts = figures(judgements)
    lines = [f"{'':10}" + "".join(f"{outcome:>10}" for outcome in Outcome) + f"{'left':>10}"]
    for part, count in counts.items():
        left = sum(bool(each.left) for each in judgements if each.kill.part is part)
        lines.append(f"{part:10}" + "".join(f"{count[outcome]:10}" for outcome in Outcome) + f"{left:10}")
    total = sum(counts.values(), Counter[Outcome]())
    left = sum(bool(each.left) for each in judgements)
    lines.append(f"{'all':10}" + "".join(f"{total[outcome]:10}" for outcome in Outcome) + f"{left:10}")
    return lines
