"""``--require``: what the runs of one scenario must reach together, and what they did. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_2501bench.errors import Gate
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.scoring.rates import pass_rate
from pytest_2501bench.statistics.proportion import Counts, wilson
from pytest_2501bench.statistics.repetition import Quantity, Requirement, Verdict, decided, judge

if TYPE_CHECKING:
    from pytest_2501bench.scoring.rates import Judged

_GATES = {
    Quantity.PASS_RATE: frozenset({Gate.TASK_VALIDATION}),
    Quantity.COMPLIANCE: frozenset({Gate.COMPLIANCE}),
}
_BOTH = frozenset(Gate)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one requirement over the runs of one scenario (and variant)."""

    requirement: Requirement
    counts: Counts
    verdict: Verdict

    def __str__(self) -> str:
        """Return ``pass-rate>=0.9 met: 19 of 20 (95 %), true rate 76 % to 99 %``."""
        counts, requirement = self.counts, self.requirement
        text = f"{requirement} {self.verdict}: {counts.passed} of {counts.scored}"
        value = requirement.value(counts.passed, counts.scored)
        if value is None:
            return f"{text}, too few runs{_lost(counts)}"
        text += f" ({value:.0%})".replace("%", " %")
        interval = wilson(counts.passed, counts.scored)
        if requirement.k is None and interval is not None:
            text += f", true rate {interval.low:.0%} to {interval.high:.0%}".replace("%", " %")
        return text + _lost(counts)


def _lost(counts: Counts) -> str:
    return f"; {counts.lost} lost to infrastructure" if counts.lost else ""


def parse_all(texts: Iterable[str]) -> tuple[Requirement, ...]:
    """Read what the option's parser has checked."""
    return tuple(Requirement.parse(text) for text in texts)


def applying(requirements: Iterable[Requirement], key: str, tags: Iterable[str]) -> tuple[Requirement, ...]:
    """Return the requirements that a scenario must fulfil: those without a tag, and those for its key or a tag."""
    names = {key, *tags}
    return tuple(each for each in requirements if each.tag is None or each.tag in names)


def covered(requirements: Iterable[Requirement]) -> frozenset[Gate]:
    """Return the gates whose single results count in a verdict, and so decide nothing by themselves."""
    return frozenset().union(*(_GATES.get(each.quantity, _BOTH) for each in requirements))


def counts_of(requirement: Requirement, runs: Sequence[Judged]) -> Counts:
    """Count the results of *runs* that *requirement* is about."""
    by_quantity = {
        Quantity.PASS_RATE: [run.task_validation.status for run in runs],
        Quantity.COMPLIANCE: [run.compliance.status for run in runs],
    }
    rate = pass_rate(by_quantity.get(requirement.quantity, [run.status for run in runs]))
    return Counts(rate.passed, rate.scored, rate.lost)


def judgements(requirements: Iterable[Requirement], runs: Sequence[Judged]) -> tuple[Judgement, ...]:
    """Judge the runs that were made."""
    counted = [(each, counts_of(each, runs)) for each in requirements]
    return tuple(Judgement(each, counts, judge(each, counts)) for each, counts in counted)


def settled_early(requirements: Sequence[Requirement], runs: Sequence[Judged], planned: int) -> str | None:
    """Return what is decided, in words, if no further run can change any verdict; else None.

    Args:
        requirements: those that apply; without one nothing is ever decided.
        runs: those made so far.
        planned: how many there would be in all.
    """
    found = [(each, decided(each, counts_of(each, runs), planned)) for each in requirements]
    if not found or any(verdict is None for _, verdict in found):
        return None
    return ", ".join(f"{each} is {verdict}" for each, verdict in found) + f" after {len(runs)} of {planned} runs"


def overall(judged: Sequence[Judgement]) -> Status:
    """Return one verdict for all: failed if one is not met, else error if one is inconclusive."""
    verdicts = {each.verdict for each in judged}
    if Verdict.NOT_MET in verdicts:
        return Status.FAILED
    return Status.ERROR if Verdict.INCONCLUSIVE in verdicts else Status.PASSED
