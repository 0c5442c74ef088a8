"""Scores a past run again from its evidence, with today's rules. Pure; nothing is played and no agent is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_2501bench.report.build import build_report
from pytest_2501bench.scoring.gates import score
from pytest_2501bench.scoring.model import GateResult, Verdicts
from pytest_2501bench.scoring.rules import NO_CUSTOM

if TYPE_CHECKING:
    from pytest_2501bench.evidence.model import Evidence
    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.scenario.model import LoadedScenario
    from pytest_2501bench.scoring.rules import CustomValidator


@dataclass(frozen=True, slots=True)
class Rescored:
    """What became of one run.

    Attributes:
        source: as it was scored then.
        report: the derived one: ``derived_from`` names the source, the version key is today's.
        kept: why a verdict of then stands although it might be another today; empty if all were made anew.
    """

    source: ScenarioReport
    report: ScenarioReport
    kept: str = ""

    @property
    def changes(self) -> tuple[str, ...]:
        """Return, one line each, gates and rules with another verdict than then."""
        return tuple(self._changes())

    def _changes(self) -> Iterator[str]:
        for before, now in (
            (self.source.task_validation, self.report.task_validation),
            (self.source.compliance, self.report.compliance),
        ):
            if before.status is not now.status:
                yield f"{now.gate.replace('_', ' ')}: {before.status} → {now.status}: {now.reason}"
            yield from _rules(before, now)
        then = {check.name: check.status for check in self.source.checks}
        for check in self.report.checks:
            if (former := then.get(check.name)) is not check.status:
                yield f"{check.name}: {former or 'new'} → {check.status}: {check.reason}"


def _rules(before: GateResult, now: GateResult) -> Iterator[str]:
    then = {rule.label: rule for rule in before.rules}
    for rule in now.rules:
        former = then.pop(rule.label, None)
        if former is None:
            yield f"rule {rule.label!r}: new: {rule.status}"
        elif former.status is not rule.status:
            yield f"rule {rule.label!r}: {former.status} → {rule.status}: {rule.reason}"
    for label in then:
        yield f"rule {label!r}: gone"


def rescore(
    evidence: Evidence,
    source: ScenarioReport,
    loaded: LoadedScenario,
    custom: Mapping[str, CustomValidator] = NO_CUSTOM,
) -> Rescored:
    """Return the verdicts that today's rules give on *evidence*.

    Task validation by a playbook is what the host showed then. It stands only for the playbook that was played: when
    ``validate.yml`` or a file beside it has changed, nobody knows what the new one would have found, and the verdict of
    then is kept, with the reason.

    Args:
        evidence: all of the run.
        source: its report.
        loaded: its scenario as it is today; the keys are the same.
        custom: validators of other plugins by name.
    """
    has_validate = loaded.playbook("validate") is not None
    verdicts = score(loaded.scenario, evidence, has_validate=has_validate, custom=custom)
    kept = ""
    if has_validate != evidence.run.has_validate:
        kept = "validate.yml has been added since" if has_validate else "validate.yml has been removed since"
    elif has_validate and loaded.digests["validators"] != evidence.run.version_key.get("validators"):
        kept = "validate.yml, or a file beside it, has changed since, and was never played on that host"
    if kept:
        verdicts = Verdicts(task_validation=source.task_validation, compliance=verdicts.compliance)
    today = loaded.scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    report = build_report(evidence, verdicts, source.checks, source.evidence, today).model_copy(
        update={
            "derived_from": source.run_id,
            "version_key": {**evidence.run.version_key, **loaded.digests},
        }
    )
    return Rescored(source, report, kept)
