"""What is broken when: a plan of kills, the same for the same seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from pytest_2501bench.errors import Phase

_T = TypeVar("_T")

SHORTEST, LONGEST = 0.5, 4.0
"""Seconds that a part stays away. Longer than a hiccup, shorter than the time for which everything here is patient."""


class Part(StrEnum):
    """What is killed or cut."""

    ENGINE = "engine"  # its process
    GATEWAY = "gateway"  # the way to it
    DATABASE = "database"  # of the results
    NETWORK = "network"  # the way to the hosts
    HOST = "host"  # its first process


_ALWAYS: Final = (Phase.PROVISION, Phase.PREPARE, Phase.FLUSH, Phase.EXECUTE, Phase.VALIDATE, Phase.RESTORE)
_WITH_HOSTS: Final = (Phase.PREPARE, Phase.EXECUTE, Phase.VALIDATE)
PHASES: Final[Mapping[Part, tuple[Phase, ...]]] = {
    Part.ENGINE: _ALWAYS,
    Part.GATEWAY: _ALWAYS,
    Part.DATABASE: _ALWAYS,
    Part.NETWORK: _WITH_HOSTS,
    Part.HOST: _WITH_HOSTS,
}
"""In which phases a part is there to be broken."""

_WEIGHT: Final = {Phase.EXECUTE: 3}
"""The agent's phase is what the benchmark is about; the others count once."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill, in a run of its own."""

    number: int  # from 1
    key: str  # of the scenario
    part: Part
    phase: Phase
    moment: float  # 0 to 1: how much of the phase, as long as it takes undisturbed, is over by then
    away: float  # seconds until it is restored

    def line(self) -> str:
        """Return the kill as the plan shows it."""
        return (
            f"{self.number:3d}  {self.part:8}  {self.phase:9}  at {self.moment:4.0%}  away {self.away:3.1f} s"
            f"  {self.key}"
        )


def make_plan(
    keys: Sequence[str], parts: Sequence[Part], *, times: int, seed: int, at: Phase | None = None
) -> tuple[Kill, ...]:
    """Return *times* kills, spread evenly over *keys* and *parts*.

    Args:
        keys: of the scenarios.
        parts: what may be broken; each as often as the others, or once less.
        times: how many kills.
        seed: the same one gives the same plan.
        at: the phase of every kill; None: at random, the agent's phase more often. A part that is not there in that
            phase is left out.

    Raises:
        ValueError: none of *parts* is there in phase *at*.
    """
    possible = [part for part in parts if at is None or at in PHASES[part]]
    if not possible:
        raise ValueError(f"{', '.join(parts)} cannot be broken in phase {at}")
    chance = random.Random(seed)  # noqa: S311 - a plan, no secret
    turns = _turns(possible, times, chance)
    where = _turns(list(keys), times, chance)
    plan = []
    for number, (part, key) in enumerate(zip(turns, where, strict=True), start=1):
        phases = PHASES[part] if at is None else (at,)
        (phase,) = chance.choices(phases, [_WEIGHT.get(phase, 1) for phase in phases])
        away = round(chance.uniform(SHORTEST, LONGEST), 1)
        plan.append(Kill(number, key, part, phase, round(chance.random(), 2), away))
    return tuple(plan)


def _turns(choices: Sequence[_T], times: int, chance: random.Random) -> list[_T]:
    """Return *times* of *choices*: all of them in a random order, then all of them in another one."""
    turns: list[_T] = []
    while len(turns) < times:
        turns += chance.sample(list(choices), len(choices))
    return turns[:times]
