"""Checks on the scenario as a whole: does anything decide, is the host put back, how long is waited."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_2501bench.scenario.lint.finding import Raw
from pytest_2501bench.scenario.model import AnyCommandRule, ClaimsMatch, LoadedScenario, Rule, Timeouts
from pytest_2501bench.scenario.policies import rules_of

# Longer than any run that people wait for; whoever writes 120000 thinks of milliseconds.
_LONGEST = {"execute": 6 * 3600.0, "pattern": 60.0}
_LONGEST_PHASE = 2 * 3600.0


def form(loaded: LoadedScenario) -> Iterator[Raw]:
    """Yield what is wrong with the scenario as a whole."""
    if loaded.migrated:
        yield Raw("SC008", "is of the 0.3 form")
    yield from deciding(loaded)
    bench = loaded.scenario.bench
    rules: list[Rule | AnyCommandRule | ClaimsMatch] = [rule for _, _, rule in loaded.scenario.validation.rules()]
    rules += [*bench.rules, *rules_of(bench.policies)]
    if bench.claims_match is not None:
        rules.append(bench.claims_match)
    if not rules:
        yield Raw("SC102", "there are no rules: compliance always passes", "/validation")
    elif not any(rule.required for rule in rules):
        yield Raw("SC103", "no rule is required: compliance always passes", "/validation")
    yield from _playbooks(loaded)
    yield from _deadlines(loaded.scenario.bench.timeouts)
    for name in ("allowedAgents", "allowedHosts"):
        listed = getattr(loaded.scenario.validation, "allowed_" + name.removeprefix("allowed").lower())
        if listed == ():
            yield Raw("SC108", "the empty list allows nothing: every job is stopped", f"/validation/{name}")


def deciding(loaded: LoadedScenario) -> Iterator[Raw]:
    """Yield that nothing decides whether the task was done, if that is so."""
    if loaded.playbook("validate") is not None:
        return
    outcome = loaded.scenario.bench.outcome
    if not outcome:
        said = "there is neither validate.yml nor 'bench.outcome': nothing tells whether the task was done"
        yield Raw("SC101", said)
    elif not any(rule.required for rule in outcome):
        said = "no rule is required and there is no validate.yml: nothing tells whether the task was done"
        yield Raw("SC101", said, "/bench/outcome")


def _playbooks(loaded: LoadedScenario) -> Iterator[Raw]:
    if loaded.playbook("prepare") is None:
        yield Raw("SC104", "there is no prepare.yml: nothing is broken before the agent starts")
    if loaded.playbook("restore") is None and any(host.host_id for host in loaded.scenario.hosts):
        yield Raw(
            "SC105", "there is no restore.yml: a registered host ('host_id') stays as the agent left it", "/hosts"
        )
    if loaded.playbook("solve") is None:
        yield Raw("SC106", "there is no solve.yml: the oracle agent cannot run it")


def _deadlines(timeouts: Timeouts) -> Iterator[Raw]:
    for name, seconds in timeouts.model_dump(by_alias=True).items():
        longest = _LONGEST.get(name, _LONGEST_PHASE)
        if seconds > longest:
            said = f"'{name}' waits up to {seconds:g} s; no run needs more than {longest:g} s for it"
            yield Raw("SC107", said, f"/bench/timeouts/{name}")
