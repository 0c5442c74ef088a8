"""What a scenario may say and hardly means: above all checks that cannot fail or cannot pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pytest_2501bench.scenario.find import FILE_NAME
from pytest_2501bench.scenario.model import ClaimsMatch, LoadedScenario, PatternMatch, Rule, Scope
from pytest_2501bench.scenario.old_form import shown_path
from pytest_2501bench.scenario.problems import pointer
from pytest_2501bench.scoring.patterns import PatternTimeoutError, search
from pytest_2501bench.scoring.targets import JOB_TARGETS, TASK_TARGETS, TICKET_TARGETS


class Severity(StrEnum):
    """How sure we are that it must be changed."""

    ERROR = "error"  # the scenario cannot give a sound verdict
    WARNING = "warning"  # surely works otherwise than it reads
    INFO = "info"  # worth knowing


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One thing that an author should look at.

    Attributes:
        severity: how sure we are.
        file: as messages show it.
        pointer: RFC 6901, empty for the scenario as a whole.
        code: short stable name, e.g. ``no-validation``.
        message: one line.
    """

    severity: Severity
    file: str
    pointer: str
    code: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.pointer}" if self.pointer else self.file
        return f"{place}: {self.severity}: {self.message} [{self.code}]"


_Found = tuple[Severity, str, str, str]  # severity, pointer, code, message

_SCOPE_TARGETS = {
    Scope.GATEWAY: TICKET_TARGETS,
    Scope.JOB: JOB_TARGETS,
    Scope.TASKS: TASK_TARGETS,
    Scope.OUTCOME: TICKET_TARGETS | JOB_TARGETS | TASK_TARGETS,
}
# A pattern that matches nothing at all and this too matches every text there is.
_UNLIKELY = "\N{SNOWMAN}"
_CONTROL = {"\b": r"\b", "\f": r"\f", "\v": r"\v", "\a": r"\a"}


def lint(loaded: LoadedScenario, *, root: Path | None = None) -> list[LintFinding]:
    """Return what an author should look at, errors first. Playbooks are only looked for, not read.

    Args:
        loaded: the scenario.
        root: show the path relative to this folder.
    """
    file = shown_path(loaded.directory / FILE_NAME, root)
    found = [*_form(loaded), *_checks(loaded), *_playbooks(loaded), *_rules(loaded)]
    order = list(Severity)
    return [
        LintFinding(severity, file, place, code, message)
        for severity, place, code, message in sorted(found, key=lambda item: order.index(item[0]))
    ]


def _form(loaded: LoadedScenario) -> Iterator[_Found]:
    if loaded.migrated:
        yield Severity.WARNING, "", "old-form", "is of the 0.3 form; the warning at loading shows the new one"


def _checks(loaded: LoadedScenario) -> Iterator[_Found]:
    outcome = loaded.scenario.bench.outcome
    if loaded.playbook("validate") is None:
        if not outcome:
            message = "there is neither validate.yml nor 'bench.outcome': nothing tells whether the task was done"
            yield Severity.ERROR, "", "no-validation", message
        elif not any(rule.required for rule in outcome):
            message = "no rule is required and there is no validate.yml: nothing tells whether the task was done"
            yield Severity.ERROR, "/bench/outcome", "no-validation", message
    rules: list[Rule | ClaimsMatch] = [rule for _, _, rule in loaded.scenario.validation.rules()]
    if loaded.scenario.bench.claims_match is not None:
        rules.append(loaded.scenario.bench.claims_match)
    if not rules:
        yield Severity.INFO, "/validation", "no-rules", "there are no rules: compliance always passes"
    elif not any(rule.required for rule in rules):
        yield Severity.WARNING, "/validation", "no-required-rule", "no rule is required: compliance always passes"


def _playbooks(loaded: LoadedScenario) -> Iterator[_Found]:
    if loaded.playbook("prepare") is None:
        yield Severity.INFO, "", "no-prepare", "there is no prepare.yml: nothing is broken before the agent starts"
    if loaded.playbook("restore") is None and any(host.host_id for host in loaded.scenario.hosts):
        message = "there is no restore.yml: a registered host ('host_id') stays as the agent left it"
        yield Severity.WARNING, "", "no-restore", message
    if loaded.playbook("solve") is None:
        yield Severity.INFO, "", "no-solve", "there is no solve.yml: the oracle agent cannot run it"


def _rules(loaded: LoadedScenario) -> Iterator[_Found]:
    labels: dict[str, str] = {}
    validation = loaded.scenario.validation
    placed: Iterable[tuple[str, Scope, Rule]] = [
        *((pointer(("validation", scope, index)), scope, rule) for scope, index, rule in validation.rules()),
        *((pointer(("bench", "outcome", i)), Scope.OUTCOME, r) for i, r in enumerate(loaded.scenario.bench.outcome)),
    ]
    for place, scope, rule in placed:
        first = labels.setdefault(rule.label, place)
        if first != place:
            message = f"'{rule.label}' is the label of {first} too: reports cannot tell them apart"
            yield Severity.WARNING, f"{place}/label", "same-label", message
        if isinstance(rule, PatternMatch):
            yield from _target(place, scope, rule)
            yield from _pattern(f"{place}/pattern", rule)


def _target(place: str, scope: Scope, rule: PatternMatch) -> Iterator[_Found]:
    if rule.where in _SCOPE_TARGETS[scope]:
        return
    right = next(other for other, own in _SCOPE_TARGETS.items() if rule.where in own)
    if rule.where in TASK_TARGETS:
        effect = "it is matched against all tasks' text together"
    else:
        effect = "it is the same text for every task" if scope is Scope.TASKS else "it is matched all the same"
    message = f"'{rule.where}' is a target of the scope '{right}', and this rule stands under '{scope}': {effect}"
    yield Severity.WARNING, f"{place}/where", "scope", message


def _pattern(place: str, rule: PatternMatch) -> Iterator[_Found]:
    never = "pass" if rule.negate else "fail"
    if control := next((char for char in rule.pattern if char in _CONTROL), None):
        written = _CONTROL[control]
        message = f"holds a control character: the regular expression {written} is written \\{written} in JSON"
        yield Severity.ERROR, place, "control-character", message
    try:
        if search(rule.pattern, "", seconds=0.2) and search(rule.pattern, _UNLIKELY, seconds=0.2):
            message = f"'{rule.pattern}' matches every text, so the rule can never {never} where there is evidence"
            yield Severity.ERROR, place, "matches-everything", message
    except PatternTimeoutError:
        message = f"'{rule.pattern}' takes too long even on an empty text: the rule will have no verdict"
        yield Severity.ERROR, place, "slow-pattern", message
