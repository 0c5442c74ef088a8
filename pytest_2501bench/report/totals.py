"""The rates of a session in words, each with its denominator, and what the session used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from pytest_2501bench.errors import Cause
from pytest_2501bench.matrix import variant_of
from pytest_2501bench.report.figures import percent
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.scoring.model import GateResult, Status
from pytest_2501bench.scoring.rates import Rate, pass_rates
from pytest_2501bench.statistics.proportion import Counts, Estimate, estimate

# No verdict, but not for want of a host, an engine or a database: the rules had nothing to look at.
_NO_EVIDENCE: Final = frozenset({Cause.EVIDENCE_MISSING, Cause.PATTERN_TIMED_OUT})


@dataclass(frozen=True, slots=True)
class NamedRate:
    """One rate, ready to be shown.

    Attributes:
        name: ``pass rate``, ``compliance rate``, ``both gates``.
        rate: passed of scored.
        undecided: those of ``rate.lost`` whose evidence was missing; the others were lost to infrastructure.
        estimate: what the runs say of the true rate, runs of one scenario taken together.
    """

    name: str
    rate: Rate
    undecided: int
    estimate: Estimate

    @property
    def value(self) -> str:
        """``75 %``, or ``-`` when nothing was scored."""
        return "-" if self.rate.value is None else percent(self.rate.value)

    @property
    def basis(self) -> str:
        """``3 passed of 4 scored; 1 lost to infrastructure``."""
        rate = self.rate
        text = f"{rate.passed} passed of {rate.scored} scored; {rate.lost - self.undecided} lost to infrastructure"
        return f"{text}, {self.undecided} without evidence" if self.undecided else text

    @property
    def certainty(self) -> str:
        """``true rate 30 to 95 %``: the 95 % interval; with lost runs also the rate if they had failed.

        Empty when nothing was scored. Where too many were lost it says that no conclusion can be drawn.
        """
        told = self.estimate
        if told.interval is None:
            return ""
        text = f"true rate {100 * told.interval.low:.0f} to {100 * told.interval.high:.0f} %"
        if told.lost and told.strict_rate is not None:
            text += f"; {percent(told.strict_rate)} if lost runs count as failed"
        return text if told.conclusive else f"{text}; inconclusive: fewer than 90 % have a verdict"


@dataclass(frozen=True, slots=True)
class Totals:
    """All rates of a session and its sums; tokens and cost (US dollars) are of the runs whose engine said."""

    rates: tuple[NamedRate, NamedRate, NamedRate]
    runs: int
    seconds: float
    tokens: int | None
    cost_usd: float | None


def totals(reports: Sequence[ScenarioReport]) -> Totals:
    """Return the rates and sums of *reports*."""
    rates = pass_rates(reports)
    by_key = [list(runs) for runs in by_scenario(reports)]
    estimates = {
        name: estimate([_counts(getattr(pass_rates(runs), name)) for runs in by_key])
        for name in ("task_validation", "compliance", "both")
    }
    lack = {
        gate: sum(lacks_evidence(getattr(run, gate)) for run in reports) for gate in ("task_validation", "compliance")
    }
    said_tokens = [report.tokens for report in reports if report.tokens is not None]
    said_cost = [report.cost_usd for report in reports if report.cost_usd is not None]
    return Totals(
        rates=(
            NamedRate("pass rate", rates.task_validation, lack["task_validation"], estimates["task_validation"]),
            NamedRate("compliance rate", rates.compliance, lack["compliance"], estimates["compliance"]),
            NamedRate("both gates", rates.both, sum(map(_both_lack_evidence, reports)), estimates["both"]),
        ),
        runs=len(reports),
        seconds=sum(report.seconds for report in reports),
        tokens=sum(said_tokens) if said_tokens else None,
        cost_usd=sum(said_cost) if said_cost else None,
    )


def _counts(rate: Rate) -> Counts:
    return Counts(rate.passed, rate.scored, rate.lost)


def by_scenario(reports: Sequence[ScenarioReport]) -> list[list[ScenarioReport]]:
    """Return the runs of each scenario and variant, scenarios in the order of their keys."""

    def place(run: ScenarioReport) -> tuple[str, str]:
        return run.key, variant_of(run.nodeid)

    return [list(runs) for _, runs in groupby(sorted(reports, key=place), key=place)]


def by_variant(reports: Sequence[ScenarioReport]) -> list[tuple[str, list[ScenarioReport]]]:
    """Return the runs of each variant of ``--matrix``, in the order in which they came; one nameless without it."""
    found: dict[str, list[ScenarioReport]] = {}
    for run in reports:
        found.setdefault(variant_of(run.nodeid), []).append(run)
    return list(found.items())


def by_tag(reports: Sequence[ScenarioReport]) -> list[tuple[str, list[ScenarioReport]]]:
    """Return the runs of each tag that some, but not all, runs have, by name; a run counts under each of its tags."""
    found: dict[str, list[ScenarioReport]] = {}
    for run in reports:
        for tag in dict.fromkeys(run.tags):
            found.setdefault(tag, []).append(run)
    keys = {run.key for run in reports}
    telling = {tag: runs for tag, runs in found.items() if 1 < len({run.key for run in runs}) < len(keys)}
    return sorted(telling.items())


def lacks_evidence(gate: GateResult) -> bool:
    """Whether *gate* has no verdict only because its rules had nothing, or too little time, to look at."""
    return gate.status is Status.ERROR and gate.cause in _NO_EVIDENCE


def _both_lack_evidence(run: ScenarioReport) -> bool:
    undecided = [gate for gate in (run.task_validation, run.compliance) if gate.status is Status.ERROR]
    return run.status is Status.ERROR and bool(undecided) and all(map(lacks_evidence, undecided))
