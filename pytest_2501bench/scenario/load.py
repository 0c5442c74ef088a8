"""From a ``scenario.json`` to a frozen scenario, or to every mistake in it, one line each."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES
from pytest_2501bench.scenario.crosscheck import crosscheck, rules
from pytest_2501bench.scenario.digests import digests_of
from pytest_2501bench.scenario.find import check_unique_keys, find_scenarios
from pytest_2501bench.scenario.json_text import Json, JsonError, kind, parse_object, pointers, read_text
from pytest_2501bench.scenario.model import BUILT_IN_RULES, LoadedScenario, RuleFields, Scenario
from pytest_2501bench.scenario.old_form import is_old_form, migrated, migration_hint, shown_path
from pytest_2501bench.scenario.problems import Problem, ScenarioError
from pytest_2501bench.scenario.translate import problems

__all__ = ["check_unique_keys", "find_scenarios", "load_scenario", "migration_hint"]

Validators = Mapping[str, type[RuleFields]] | Collection[str]


def load_scenario(
    path_to_scenario_json: Path,
    *,
    validators: Validators = BUILT_IN_RULES,
    known_capabilities: Collection[str] = KNOWN_CAPABILITIES,
    root: Path | None = None,
) -> LoadedScenario:
    """Read, check and freeze one scenario.

    Args:
        path_to_scenario_json: the file; its folder is the scenario's.
        validators: rule types of other plugins, name → model of the rule's fields; with names alone, their fields are
            not checked. The built-in ones are always known.
        known_capabilities: words that ``bench.requires`` may use.
        root: show the path relative to this folder in messages.

    Raises:
        ScenarioError: a :class:`BenchError` with cause ``scenario_invalid``; its message has one line per mistake.
    """
    shown = shown_path(path_to_scenario_json, root)
    try:
        text = read_text(path_to_scenario_json)
        data = parse_object(text)
    except JsonError as error:
        broken = [replace(problem, code="SC001") for problem in error.problems]
        raise ScenarioError(shown, broken) from error
    found: list[Problem] = []
    old = is_old_form(data)
    if old:
        found += _old_form(data)
        # What is wrong with the two old fields has been told in their own names: not once more in the new ones.
        data = migrated(data | {"name": "?", "description": "?"} if found else data)
        text = json.dumps(data)
    scenario: Scenario | None = None
    try:
        # Strict, and from JSON: a list is a tuple there, but "3" is no number and "yes" no truth value.
        scenario = Scenario.model_validate_json(text, strict=True)
    except ValidationError as error:
        found += problems(error, Scenario)
    found += (
        replace(problem, code="SC003") if problem.code == "SC002" else problem
        for problem in crosscheck(data, validators=validators, capabilities=known_capabilities)
    )
    if isinstance(validators, Mapping):
        found += _rules_of_plugins(data, validators)
    if found or scenario is None:
        raise ScenarioError(shown, _in_order(found, data))
    try:
        digests = digests_of(scenario, path_to_scenario_json.parent)
    except OSError as error:
        raise ScenarioError(shown, [Problem("", f"a file of its folder cannot be read: {error}")]) from error
    return LoadedScenario(scenario=scenario, directory=path_to_scenario_json.parent, migrated=old, digests=digests)


def _old_form(data: Json) -> Iterator[Problem]:
    for name in ("name", "description"):
        if name not in data:
            yield Problem("", f"'{name}' is missing. Required in the 0.3 form: key, name, description.")
        elif not isinstance(data[name], str):
            yield Problem(f"/{name}", f"must be a string, not {kind(data[name])}")
        elif not data[name].strip():
            yield Problem(f"/{name}", "must not be empty")


def _in_order(found: list[Problem], data: Json) -> list[Problem]:
    """Return *found* without repetitions, as a reader of the file meets them; what is missing stands at its owner."""
    order = {place: index for index, place in enumerate(pointers(data))}
    return sorted(dict.fromkeys(found), key=lambda problem: order.get(problem.pointer, -1))


def _rules_of_plugins(data: Json, validators: Mapping[str, type[RuleFields]]) -> Iterator[Problem]:
    for steps, rule in rules(data):
        name = rule.get("validator")
        if isinstance(name, str) and name not in BUILT_IN_RULES and (model := validators.get(name)):
            try:
                model.model_validate_json(json.dumps(rule), strict=True)
            except ValidationError as error:
                yield from problems(error, model, steps)
