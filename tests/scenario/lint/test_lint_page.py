"""The page of codes says what the registry says; pytest and version lines know of findings what the page promises."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from scenario.lint.conftest import RULE, Examine
from support.pages import page

from pytest_2501bench.scenario.lint import blocking
from pytest_2501bench.scenario.lint.registry import CODES, Code, UnknownCodeError, codes_of
from pytest_2501bench.scenario.load import load_scenario

PAGE = page("docs/linting.md")


@pytest.mark.parametrize("code", CODES.values(), ids=str)
def test_the_page_explains_each_code_in_the_registrys_words(code: Code) -> None:
    said = " ".join(PAGE.text.split())
    title = code.title[0].upper() + code.title[1:]
    assert f"### {code.code} {code.name} **{code.severity}**: {title}. {code.right}".strip() in said
    assert f"{code.code.lower()}-{code.name}" in PAGE.anchors()


def test_the_page_explains_no_code_that_there_is_not() -> None:
    assert re.findall(r"^### (SC\d+)", PAGE.text, re.M) == list(CODES)


def test_names_and_codes_are_unique_and_of_one_form() -> None:
    assert len({code.name for code in CODES.values()}) == len(CODES)
    assert all(re.fullmatch(r"SC[0-6]\d\d", code) for code in CODES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code.name) for code in CODES.values())


def test_a_group_a_code_and_a_name_select() -> None:
    assert codes_of(["SC5"]) == codes_of(["secret"]) == codes_of(["sc501"]) == {"SC501"}
    assert codes_of(["SC"]) == set(CODES)
    with pytest.raises(UnknownCodeError, match="'x' is no code"):
        codes_of(["SC1", "x"])


def loaded(tmp_path: Path, document: dict[str, Any], **fields: Any) -> Any:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(document | fields))
    return load_scenario(path)


def test_pytest_refuses_what_is_quick_to_find(tmp_path: Path, document: dict[str, Any]) -> None:
    rules = [RULE | {"pattern": ".*"}, RULE | {"pattern": "x*", "negate": True}, RULE | {"pattern": "\b"}, RULE]
    scenario = loaded(tmp_path, document, validation={"tasks": rules})
    found = [finding.code for finding in blocking(scenario)]
    assert found == ["SC101", "SC301", "SC302", "SC312"]
    assert all(CODES[code].stops_pytest for code in found)


def test_pytest_takes_what_is_said_to_be_meant_but_for_a_missing_check(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    meant = {"lint": {"ignore": {"SC301": "why", "SC101": "why"}}}
    scenario = loaded(tmp_path, document, validation={"tasks": [RULE | {"pattern": ".*"}]}, bench=meant)
    assert [finding.code for finding in blocking(scenario)] == ["SC101"]


def test_what_is_meant_starts_no_new_version_line(tmp_path: Path, document: dict[str, Any]) -> None:
    before = loaded(tmp_path, document).digests
    assert loaded(tmp_path, document, bench={"lint": {"ignore": {"SC301": "why"}}}).digests == before
    assert loaded(tmp_path, document, bench={"hold_seconds": 1}).digests != before


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
def test_a_target_outside_its_scope_is_told_with_its_effect(
    examined: Examine, scope: str, where: str, right: str, effect: str
) -> None:
    (finding,) = examined(validation={scope: [RULE | {"where": where}]})
    assert finding.code == "SC313"
    assert finding.message == (
        f"'{where}' is a target of the scope '{right}', and this rule stands under '{scope}': {effect}"
    )
