"""What was seen when a scenario was played through, and what a claim turned out to be. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pytest_2501bench.evidence.model import PlaybookRecord
from pytest_2501bench.host_state.model import Change
from pytest_2501bench.report.model import CheckResult
from pytest_2501bench.scoring.model import Status, Verdicts


class Step(StrEnum):
    """The playbooks of a walk, in order."""

    RESTORE_UNTOUCHED = "restore.yml on the untouched hosts"
    HEALTHY = "prepare.yml without the fault"
    VALIDATE_HEALTHY = "validate.yml on the healthy hosts"
    VALIDATE_HEALTHY_AGAIN = "validate.yml on the healthy hosts, again"
    PREPARE = "prepare.yml"
    VALIDATE_FAULT = "validate.yml after prepare.yml"
    PREPARE_AGAIN = "prepare.yml, again"
    VALIDATE_FAULT_AGAIN = "validate.yml after prepare.yml, again"
    RESTORE = "restore.yml"
    RESTORE_AGAIN = "restore.yml, again"
    HEALTHY_AGAIN = "prepare.yml without the fault, after restore.yml"
    VALIDATE_HEALTHY_LAST = "validate.yml on the hosts made healthy after restore.yml"


VALIDATIONS = (
    Step.VALIDATE_HEALTHY,
    Step.VALIDATE_HEALTHY_AGAIN,
    Step.VALIDATE_FAULT,
    Step.VALIDATE_FAULT_AGAIN,
    Step.VALIDATE_HEALTHY_LAST,
)


@dataclass(frozen=True, slots=True)
class Walk:
    """One time through a scenario's playbooks on the same hosts, without an agent.

    Attributes:
        played: what became of each playbook; a step that was not taken is absent.
        changed: what a step changed on the hosts that it must not: validate.yml anything, restore.yml what is
            different from before the walk. Absent where nobody looked.
    """

    played: Mapping[Step, PlaybookRecord] = field(default_factory=dict)
    changed: Mapping[Step, tuple[Change, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Repair:
    """One run in which the oracle played solve.yml, a cheat or an alternative.

    Attributes:
        verdicts: both gates.
        collateral: what became of the third check; None where the scenario does not ask for it.
        not_restored: what restore.yml left different from before prepare.yml; None where nobody looked.
        restore_failed: why restore.yml did not end well after it; empty when it did.
    """

    verdicts: Verdicts
    collateral: CheckResult | None = None
    not_restored: tuple[Change, ...] | None = None
    restore_failed: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a claim, once. *reason* is one line; *lines* say more."""

    status: Status
    reason: str
    lines: tuple[str, ...] = ()
    signature: str = ""  # what must be the same in every repetition
