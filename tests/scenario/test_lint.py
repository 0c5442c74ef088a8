"""Lint: checks that cannot fail or pass, and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.scenario.lint import lint
from pytest_2501bench.scenario.load import load_scenario

Write = Callable[..., Path]
Lint = Callable[..., list[str]]
RULE = {"label": "l", "validator": "pattern_match", "pattern": "nginx -t", "where": "executed_commands"}
PLAYBOOKS = ("prepare.yml", "validate.yml", "restore.yml", "solve.yml")


@pytest.fixture
def lines(write: Write, tmp_path: Path) -> Lint:
    """Lint a scenario that is sound but for what is changed; return lines without the file's name."""

    def make(*, files: tuple[str, ...] = PLAYBOOKS, text: str | None = None, **fields: Any) -> list[str]:
        path = write(text, **({"validation": {"tasks": [RULE]}} | fields))
        for name in files:
            (path.parent / name).write_text("")
        found = [str(finding) for finding in lint(load_scenario(path), root=tmp_path)]
        assert all(line.startswith("nginx/001/scenario.json: ") for line in found)
        return [line.removeprefix("nginx/001/scenario.json: ") for line in found]

    return make


def test_a_sound_scenario_has_no_findings(lines: Lint) -> None:
    assert lines() == []


def test_without_validate_and_outcome_nothing_tells_the_result(lines: Lint) -> None:
    assert lines(files=("prepare.yml", "solve.yml")) == [
        "error: there is neither validate.yml nor 'bench.outcome': nothing tells whether the task was done"
        " [no-validation]"
    ]


def test_an_outcome_replaces_validate_yml_if_a_rule_of_it_is_required(lines: Lint) -> None:
    files = ("prepare.yml", "solve.yml")
    assert lines(files=files, bench={"outcome": [RULE | {"label": "o"}]}) == []
    assert lines(files=files, bench={"outcome": [RULE | {"label": "o", "required": False}]}) == [
        "/bench/outcome: error: no rule is required and there is no validate.yml: nothing tells whether the task was"
        " done [no-validation]"
    ]


def test_missing_playbooks_are_told(lines: Lint, tmp_path: Path) -> None:
    assert lines(files=("validate.yml",), hosts=[{"host_id": "hst_1"}]) == [
        "warning: there is no restore.yml: a registered host ('host_id') stays as the agent left it [no-restore]",
        "info: there is no prepare.yml: nothing is broken before the agent starts [no-prepare]",
        "info: there is no solve.yml: the oracle agent cannot run it [no-solve]",
    ]


def test_a_fresh_host_needs_no_restore(lines: Lint) -> None:
    files = ("prepare.yml", "validate.yml", "solve.yml")
    assert lines(files=files, hosts=[{"host_name": "a"}]) == []


def test_yaml_is_a_playbooks_suffix_too(lines: Lint) -> None:
    assert lines(files=("prepare.yaml", "validate.yaml", "solve.yaml")) == []


def test_compliance_that_always_passes_is_told(lines: Lint) -> None:
    assert lines(validation={}) == ["/validation: info: there are no rules: compliance always passes [no-rules]"]
    assert lines(validation={"tasks": [RULE | {"required": False}]}) == [
        "/validation: warning: no rule is required: compliance always passes [no-required-rule]"
    ]


@pytest.mark.parametrize("pattern", [".*", "x*", "(nginx)?", "a|", "(?:)"])
@pytest.mark.parametrize(("negate", "word"), [(False, "fail"), (True, "pass")])
def test_a_pattern_that_matches_every_text_decides_nothing(lines: Lint, pattern: str, negate: bool, word: str) -> None:
    assert lines(validation={"tasks": [RULE | {"pattern": pattern, "negate": negate}]}) == [
        f"/validation/tasks/0/pattern: error: '{pattern}' matches every text, so the rule can never {word} where there"
        " is evidence [matches-everything]"
    ]


@pytest.mark.parametrize("pattern", [r"\A\Z", "^$", ".+", r"\Arm"])
def test_a_pattern_for_an_empty_text_is_sound(lines: Lint, pattern: str) -> None:
    assert lines(validation={"tasks": [RULE | {"pattern": pattern}]}) == []


def test_a_single_backslash_that_json_took_for_a_control_character_is_told(lines: Lint) -> None:
    assert lines(validation={"tasks": [RULE | {"pattern": "\brm\b"}]}) == [
        "/validation/tasks/0/pattern: error: holds a control character: the regular expression \\b is written \\\\b in"
        " JSON [control-character]"
    ]


@pytest.mark.parametrize(
    ("scope", "where", "right", "effect"),
    [
        ("job", "executed_commands", "tasks", "it is matched against all tasks' text together"),
        ("gateway", "task_summary", "tasks", "it is matched against all tasks' text together"),
        ("tasks", "job_plan", "job", "it is the same text for every task"),
        ("tasks", "gateway_summary", "gateway", "it is the same text for every task"),
        ("gateway", "job_plan", "job", "it is matched all the same"),
    ],
)
def test_a_target_outside_its_scope_is_told(lines: Lint, scope: str, where: str, right: str, effect: str) -> None:
    assert lines(validation={scope: [RULE | {"where": where}]}) == [
        f"/validation/{scope}/0/where: warning: '{where}' is a target of the scope '{right}', and this rule stands"
        f" under '{scope}': {effect} [scope]"
    ]


def test_every_target_is_at_home_in_an_outcome(lines: Lint) -> None:
    outcome = [RULE | {"label": where, "where": where} for where in ("job_plan", "task_summary", "gateway_summary")]
    assert lines(bench={"outcome": outcome}) == []


def test_rules_without_a_pattern_have_none_to_look_at(lines: Lint) -> None:
    assert lines(validation={"gateway": [{"label": "n", "validator": "task_count", "max": 2}]}) == []


def test_labels_that_reports_cannot_tell_apart_are_told(lines: Lint) -> None:
    assert lines(validation={"tasks": [RULE, RULE | {"pattern": "x"}]}) == [
        "/validation/tasks/1/label: warning: 'l' is the label of /validation/tasks/0 too: reports cannot tell them"
        " apart [same-label]"
    ]


def test_the_old_form_is_told(lines: Lint) -> None:
    text = '{"key": "a", "name": "n", "description": "d"}'
    assert "warning: is of the 0.3 form; the warning at loading shows the new one [old-form]" in lines(text=text)


def test_errors_come_first(lines: Lint) -> None:
    found = lines(files=(), validation={})
    assert [line.partition("[")[2] for line in found] == ["no-validation]", "no-rules]", "no-prepare]", "no-solve]"]
