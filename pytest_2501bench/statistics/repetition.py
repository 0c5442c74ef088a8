"""Repeated runs of one scenario: pass@k, pass^k, requirements, and when their outcome can no longer change."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum
from math import comb
from typing import Final

from pytest_2501bench.statistics.proportion import LEAST_COVERAGE, Counts


def pass_at_k(runs: int, passed: int, k: int) -> float | None:
    """Return the unbiased estimate that at least one of *k* runs passes; None when there are fewer than *k* runs.

    1 - C(n-c, k) / C(n, k): Chen et al., "Evaluating large language models trained on code", arXiv 2107.03374 (2021),
    equation 1.
    """
    _check(runs, passed, k)
    return None if runs < k else 1 - comb(runs - passed, k) / comb(runs, k)


def pass_hat_k(runs: int, passed: int, k: int) -> float | None:
    """Return the unbiased estimate that all of *k* runs pass (pass^k); None when there are fewer than *k* runs.

    C(c, k) / C(n, k): Yao et al., "tau-bench", arXiv 2406.12045 (2024), section 4.
    """
    _check(runs, passed, k)
    return None if runs < k else comb(passed, k) / comb(runs, k)


def _check(runs: int, passed: int, k: int) -> None:
    if k < 1 or not 0 <= passed <= runs:
        raise ValueError(f"{passed} of {runs} passed, k = {k}: not possible")


class Quantity(StrEnum):
    """What a requirement is about."""

    PASS_RATE = "pass-rate"  # noqa: S105 - no password; the contract's: task validation
    COMPLIANCE = "compliance"
    BOTH = "both"
    PASS_AT = "pass@"  # noqa: S105 - both gates, at least one of k
    PASS_HAT = "pass^"  # noqa: S105 - both gates, all of k


class Verdict(StrEnum):
    """What became of a requirement."""

    MET = "met"
    NOT_MET = "not met"
    INCONCLUSIVE = "inconclusive"


_FORM: Final = re.compile(
    r"(?:(?P<tag>[^\s:>=]+):)?(?P<quantity>[a-z-]+[@^]?)(?P<k>\d+)?\s*>=\s*(?P<least>\d*\.?\d+)(?P<percent>%)?"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """At least *least* (0..1) of *quantity*; *tag* limits it to scenarios with that tag or key."""

    quantity: Quantity
    least: float
    k: int | None = None
    tag: str | None = None

    def __str__(self) -> str:
        where = f"{self.tag}:" if self.tag else ""
        return f"{where}{self.quantity}{self.k or ''}>={self.least:g}"

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read ``[TAG:]QUANTITY>=NUMBER``, for instance ``nginx:pass-rate>=0.9``, ``pass^3>=0.8``, ``both>=90%``.

        Raises:
            ValueError: what is wrong and what would be right, in a few words.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError("must be like pass-rate>=0.9, nginx:compliance>=95% or pass@3>=0.8")
        names = [str(quantity) for quantity in Quantity]
        name = match["quantity"]
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}"
            raise ValueError(f"'{name}' is no quantity; {hint}")
        quantity = Quantity(name)
        takes_k = quantity in (Quantity.PASS_AT, Quantity.PASS_HAT)
        k = int(match["k"]) if match["k"] else None
        if takes_k != (k is not None) or k == 0:
            raise ValueError(f"'{name}' takes {'a number of runs, as in ' + name + '3' if takes_k else 'no number'}")
        least = float(match["least"]) / (100 if match["percent"] else 1)
        if not 0 <= least <= 1:
            raise ValueError("the number must be between 0 and 1, or 0% and 100%")
        return cls(quantity, least, k, match["tag"])

    def value(self, passed: int, scored: int) -> float | None:
        """Return the estimate; None when there are too few runs for one."""
        if self.quantity is Quantity.PASS_AT:
            return pass_at_k(scored, passed, self.k or 1)
        if self.quantity is Quantity.PASS_HAT:
            return pass_hat_k(scored, passed, self.k or 1)
        return passed / scored if scored else None

    def met(self, passed: int, scored: int) -> bool | None:
        """Say whether the estimate is high enough; None when there is none."""
        value = self.value(passed, scored)
        # Rates are quotients of small whole numbers: 9/10 must not miss 0.9 by the last bit.
        return None if value is None else value >= self.least - 1e-12


def judge(requirement: Requirement, counts: Counts) -> Verdict:
    """Return what the runs that were made say; inconclusive when too few of them have a verdict."""
    total = counts.scored + counts.lost
    met = requirement.met(counts.passed, counts.scored)
    if met is None or counts.scored < LEAST_COVERAGE * total:
        return Verdict.INCONCLUSIVE
    return Verdict.MET if met else Verdict.NOT_MET


def decided(requirement: Requirement, counts: Counts, planned: int) -> Verdict | None:
    """Return the verdict that the remaining runs can no longer change, or None while they still can.

    Exact curtailment, no probability in it: all remaining runs are taken to fail, then all to pass. What holds in both
    cases holds in every other, because each estimate grows with the number of passed runs. (Curtailed sampling:
    Alling, JASA 61 (1966), 755-765.) A scenario with too many lost runs stays undecided: later ones may make up for it.

    Args:
        requirement: what is asked for.
        counts: the runs so far.
        planned: how many there will be in all, lost ones included.
    """
    left = planned - counts.scored - counts.lost
    if left <= 0:
        return judge(requirement, counts)
    if counts.scored < LEAST_COVERAGE * (counts.scored + counts.lost):
        return None
    total = counts.scored + left
    if requirement.met(counts.passed, total):
        return Verdict.MET
    if requirement.met(counts.passed + left, total) is False:
        return Verdict.NOT_MET
    return None
