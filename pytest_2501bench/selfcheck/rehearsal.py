"""Everything that one scenario's claims need, played when it is first asked for, and only once per repetition."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pytest_2501bench.agents.noop import SUMMARY
from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.model import Evidence
from pytest_2501bench.matrix import Variant
from pytest_2501bench.phases import Announcer
from pytest_2501bench.run import run_started
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.resolve import host_specs
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.selfcheck.claims import ALT, CHEAT, DO_NOTHING, RULES_FAIL, SOLVE, Claim
from pytest_2501bench.selfcheck.judge import (
    idle,
    judge_cheat,
    judge_do_nothing,
    judge_repair,
    judge_rules,
    judge_walk,
    repeated,
    unless_lost,
)
from pytest_2501bench.selfcheck.model import Finding, Repair, Step, Walk
from pytest_2501bench.selfcheck.repair import repair
from pytest_2501bench.selfcheck.stage import lost, staged, walk
from pytest_2501bench.session import BenchSession


@dataclass
class Rehearsal:
    """One scenario's self-check, *times* times. *folder* gets logs and evidence of everything that was played."""

    bench: BenchSession
    loaded: LoadedScenario
    folder: Path
    announce: Announcer
    times: int = 1
    _walks: dict[int, Walk | BenchError] = field(default_factory=dict)

    def finding(self, claim: Claim) -> tuple[Finding, float]:
        """Return what became of *claim* in all repetitions, and the seconds that it took."""
        start = time.monotonic()
        if claim == RULES_FAIL:
            found = judge_rules(self.loaded)
        else:
            found = repeated([self._once(claim, number) for number in range(1, self.times + 1)])
        return found, time.monotonic() - start

    def _once(self, claim: Claim, number: int) -> Finding:
        try:
            if claim.name.startswith(CHEAT):
                name = claim.name.removeprefix(CHEAT)
                made = self._repair(self.loaded.repairs("cheat")[name], claim, number)
                return judge_cheat(self.loaded, self.loaded.scenario.bench.cheats.get(name), made)
            if claim.name.startswith(ALT):
                name = claim.name.removeprefix(ALT)
                return judge_repair(self._repair(self.loaded.repairs("alt")[name], claim, number))
            if claim == SOLVE:
                solve = self.loaded.playbook("solve")
                if solve is None:
                    return Finding(Status.FAILED, "there is no solve.yml: nothing shows that it can be solved")
                return judge_repair(self._repair(solve, claim, number, take_back=True))
            if claim == DO_NOTHING:
                walk = Walk({}, {}) if self.loaded.playbook("validate") is None else self._walk(number)
                return unless_lost(judge_do_nothing(self.loaded, self._idle(walk)), walk)
            return judge_walk(claim.name, self._walk(number))
        except BenchError as exc:
            return Finding(Status.FAILED if lost(exc) else Status.ERROR, str(exc))

    def _walk(self, number: int) -> Walk:
        if number not in self._walks:
            label = self._label("walk", number)
            try:
                with staged(self.bench, self.loaded, self.folder / f"walk-{number}", label, self.announce) as stage:
                    self._walks[number] = walk(stage, label)
            except BenchError as exc:  # every claim that needs it is told so; it is not tried again for each
                self._walks[number] = exc
        made = self._walks[number]
        if isinstance(made, BenchError):
            raise made
        return made

    def _repair(self, playbook: Path, claim: Claim, number: int, *, take_back: bool = False) -> Repair:
        return repair(
            self.bench,
            self.loaded,
            playbook,
            folder=self.folder / f"{claim.name}-{number}",
            label=self._label(claim.name, number),
            announce=self.announce,
            take_back=take_back,
        )

    def _idle(self, walk: Walk) -> Evidence:
        validated = walk.played.get(Step.VALIDATE_FAULT) or walk.played.get(Step.VALIDATE_HEALTHY)
        return idle(self._nothing, SUMMARY, [spec.host_name for spec in host_specs(self.loaded, True)], validated)

    @cached_property
    def _nothing(self) -> Evidence:
        return Evidence(run=run_started(self.bench, self.loaded, 1, Variant(), nodeid=self._label("noop", 1)))

    def _label(self, what: str, number: int) -> str:
        return f"{self.loaded.scenario.key} {what}" + (f" {number}/{self.times}" if self.times > 1 else "")
