"""What a scenario claims, and so must be able to show. Pure.

A benchmark's numbers are worth what its checks are worth: a check that a careless deletion passes, that rejects a valid
repair, or that nothing can turn red, measures nothing. Each claim is one item of ``pytest --selfcheck``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pytest_2501bench.scenario.model import Kind, LoadedScenario

CHEAT: Final = "cheat-"
ALT: Final = "alt-"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: *name* is the item's, *what* says what must hold."""

    name: str
    what: str

    @property
    def column(self) -> str:
        """Return the claim's column in the matrix: all cheats share one, and so do all alternatives."""
        return next((group.rstrip("-") for group in (CHEAT, ALT) if self.name.startswith(group)), self.name)


HEALTHY: Final = Claim("healthy", "on the healthy host validate.yml is green")
FAULT: Final = Claim("fault", "after prepare.yml validate.yml is red: the fault landed")
DO_NOTHING: Final = Claim("do_nothing", "an agent that does nothing does not pass")
SOLVE: Final = Claim("solve", "solve.yml turns both gates green")
RULES_FAIL: Final = Claim("rules_fail", "each required rule is broken by a cheat")
PREPARE_TWICE: Final = Claim("prepare_twice", "prepare.yml played again does no harm")
RESTORE: Final = Claim("restore", "restore.yml leaves the hosts as they were, able to be healthy again")
RESTORE_TWICE: Final = Claim("restore_twice", "restore.yml does no harm without a reason, nor when played again")
VALIDATE_READS: Final = Claim("validate_reads", "validate.yml changes nothing on the hosts")
STEADY: Final = Claim("steady", "the same hosts always get the same verdict")

ORDER: Final = (
    *("healthy", "fault", "do_nothing", "solve", "cheat", "alt", "rules_fail"),
    *("prepare_twice", "restore", "restore_twice", "validate_reads", "steady"),
)
"""The columns of the matrix."""


def claims_of(loaded: LoadedScenario) -> tuple[Claim, ...]:
    """Return what *loaded* claims, in the order in which it is checked; what cannot apply is not among it."""
    validate, prepare, restore = (
        loaded.playbook("validate") is not None,
        loaded.playbook("prepare") is not None,
        loaded.playbook("restore") is not None,
    )
    claims = []
    if validate:
        claims.append(HEALTHY)
    if validate and loaded.scenario.bench.kind is Kind.REMEDIATION:
        claims.append(FAULT)
    claims += [DO_NOTHING, SOLVE]
    for name in loaded.repairs("cheat"):
        cheat = loaded.scenario.bench.cheats.get(name)
        gate = "both gates" if cheat is None or cheat.fails == "both" else cheat.fails.replace("_", " ")
        claims.append(Claim(CHEAT + name, f"cheat-{name}.yml turns {gate} red, and nothing else"))
    claims += [Claim(ALT + name, f"alt-{name}.yml turns both gates green, too") for name in loaded.repairs("alt")]
    claims.append(RULES_FAIL)
    if prepare:
        claims.append(PREPARE_TWICE)
    if restore:
        claims += [RESTORE, RESTORE_TWICE]
    if validate:
        claims += [VALIDATE_READS, STEADY]
    return tuple(claims)
