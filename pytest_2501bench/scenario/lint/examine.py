"""From a scenario.json and its folder to findings: the order of the checks, and what is left out of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_2501bench.scenario.crosscheck import rules as rules_of
from pytest_2501bench.scenario.find import FILE_NAME
from pytest_2501bench.scenario.json_text import JsonError, parse_object, read_text
from pytest_2501bench.scenario.lint.finding import Finding, Raw
from pytest_2501bench.scenario.lint.form import deciding, form
from pytest_2501bench.scenario.lint.places import offsets, place_of
from pytest_2501bench.scenario.lint.playbook import read_playbook
from pytest_2501bench.scenario.lint.playbooks import playbooks
from pytest_2501bench.scenario.lint.proof import proof
from pytest_2501bench.scenario.lint.registry import CODES, near_codes
from pytest_2501bench.scenario.lint.rules import blocking_rules, rules
from pytest_2501bench.scenario.lint.secrets import secrets
from pytest_2501bench.scenario.lint.ticket import ticket
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.model import BUILT_IN_RULES, LoadedScenario
from pytest_2501bench.scenario.old_form import shown_path
from pytest_2501bench.scenario.problems import Problem, ScenarioError, suggestion

_BROKEN_AT = re.compile(r"line (\d+), column (\d+): ")
_ANSIBLE_AT = re.compile(r"([^:\n]+):(\d+): ")


def lint(loaded: LoadedScenario, *, root: Path | None = None) -> list[Finding]:
    """Return everything that an author should look at, in the order of the files. Nothing is run.

    Args:
        loaded: the scenario.
        root: show paths relative to this folder.
    """
    read = {path.stem: read_playbook(path) for path in loaded.playbooks()}
    raws = [
        *form(loaded),
        *rules(loaded),
        *ticket(loaded, read),
        *playbooks(loaded, read),
        *proof(loaded, read),
        *secrets(loaded.directory),
    ]
    return findings(_meant(loaded, raws), loaded.directory / FILE_NAME, root=root)


def blocking(loaded: LoadedScenario, *, root: Path | None = None) -> list[Finding]:
    """Return what pytest must refuse at collection: quick, since it is asked for every scenario of a project."""
    raws = [*deciding(loaded), *blocking_rules(loaded)]
    ignored = loaded.scenario.bench.lint.ignore
    kept = [raw for raw in raws if raw.code not in ignored or not CODES[raw.code].ignorable]
    return findings(kept, loaded.directory / FILE_NAME, root=root)


def examine(file: Path, *, root: Path | None = None) -> tuple[list[Finding], LoadedScenario | None]:
    """Load *file* and return its findings, and the scenario unless it breaks the contract.

    A rule type that is not built in is a finding of its own, since only a project's plugins know it; whatever else
    there is to find is found all the same.
    """
    custom = _custom_rules(file)
    unknown = [
        Raw("SC005", f"'{name}' is not a built-in validator", f"{place}/validator", right=_validator_advice(name))
        for place, name in custom
    ]
    try:
        loaded = load_scenario(file, validators={name for _, name in custom}, root=root)
    except ScenarioError as error:
        return findings([*(_of_problem(problem) for problem in error.problems), *unknown], file, root=root), None
    ignored = loaded.scenario.bench.lint.ignore
    found = findings([raw for raw in unknown if raw.code not in ignored], file, root=root)
    return _sorted([*found, *lint(loaded, root=root)]), loaded


def same_keys(loaded: Iterable[LoadedScenario], *, root: Path | None = None) -> list[Finding]:
    """Return a finding for each scenario whose key an earlier one has."""
    first: dict[str, LoadedScenario] = {}
    found: list[Finding] = []
    for scenario in loaded:
        key = scenario.scenario.key
        other = first.setdefault(key, scenario)
        if other is not scenario:
            said = f"'{key}' is the key of {shown_path(other.directory / FILE_NAME, root)} already"
            found += findings([Raw("SC006", said, "/key")], scenario.directory / FILE_NAME, root=root)
    return found


def refused_by_ansible(loaded: LoadedScenario, playbook: Path, said: str, *, root: Path | None = None) -> Finding:
    """Return the finding for what Ansible's syntax check said: ``file:line: words``, the file within the folder."""
    name, line, words = playbook.name, 1, said
    if found := _ANSIBLE_AT.match(said):
        name, line, words = found[1], int(found[2]), said[found.end() :]
    (made,) = findings(
        [Raw("SC408", " ".join(words.split()), path=playbook.parent / name, line=line, column=1)],
        loaded.directory / FILE_NAME,
        root=root,
    )
    return made


def findings(raws: Iterable[Raw], file: Path, *, root: Path | None) -> list[Finding]:
    """Return *raws* with their places in the text, in the order of the files.

    Args:
        raws: what checks yielded.
        file: the scenario.json.
        root: show paths relative to this folder.
    """
    raws = list(raws)
    text = found = None
    if any(raw.path is None and raw.pointer for raw in raws):
        try:
            text = read_text(file)
            found = offsets(text)
        except JsonError:
            text = None
    made = []
    for raw in raws:
        code = CODES[raw.code]
        line, column = raw.line or 1, raw.column or 1
        if raw.path is None and raw.pointer and text is not None and found is not None:
            line, column = place_of(text, found, raw.pointer)
        made.append(
            Finding(
                code=raw.code,
                name=code.name,
                severity=raw.severity or code.severity,
                file=shown_path(raw.path or file, root),
                pointer=raw.pointer,
                line=line,
                column=column,
                message=raw.message,
                right=code.right if raw.right is None else raw.right,
            )
        )
    return _sorted(made)


def _sorted(made: list[Finding]) -> list[Finding]:
    # scenario.json first: the rest is read with it in mind.
    return sorted(
        dict.fromkeys(made),
        key=lambda found: (not found.file.endswith(FILE_NAME), found.file, found.line, found.column, found.code),
    )


def _meant(loaded: LoadedScenario, raws: list[Raw]) -> Iterator[Raw]:
    """Yield what the scenario does not declare to be meant, and what is wrong with its declarations."""
    ignored = loaded.scenario.bench.lint.ignore
    happened = {raw.code for raw in raws}
    for raw in raws:
        if raw.code not in ignored or not CODES[raw.code].ignorable:
            yield raw
    for code in ignored:
        place = f"/bench/lint/ignore/{code}".replace("~", "~0")
        if code not in CODES:
            yield Raw("SC009", f"'{code}' is no code", place, right=near_codes(code, [*CODES]))
        elif not CODES[code].ignorable:
            yield Raw("SC009", f"'{code}' cannot be ignored", place, right="Mend what it says.")
        elif code not in happened and code != "SC005":
            yield Raw("SC010", f"nothing of '{code}' is found", place)


def _custom_rules(file: Path) -> list[tuple[str, str]]:
    try:
        data = parse_object(read_text(file))
    except JsonError:
        return []
    return [
        ("".join(f"/{step}" for step in steps), rule["validator"])
        for steps, rule in rules_of(data)
        if isinstance(rule.get("validator"), str) and rule["validator"] not in BUILT_IN_RULES
    ]


def _validator_advice(name: str) -> str:
    said = suggestion(name, [*BUILT_IN_RULES], noun="Validators")
    return said if said.startswith("Did") else f"{said} One of a plugin is ignored with '--ignore SC005'."


def _of_problem(problem: Problem) -> Raw:
    found = _BROKEN_AT.match(problem.message)
    line, column = (int(found[1]), int(found[2])) if found else (0, 0)
    message = problem.message[found.end() :] if found else problem.message
    return Raw(problem.code, message, problem.pointer, None, line, column)
