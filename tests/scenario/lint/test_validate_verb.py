"""``2501bench validate`` on folders: selection, exit statuses, the forms of its output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from scenario.lint.conftest import PLAY, PLAYBOOKS, RULE

from pytest_2501bench.cli import program
from pytest_2501bench.cli.main import app
from pytest_2501bench.scenario.lint.registry import CODES

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((Path(__file__).parent / "sarif-part.schema.json").read_text())


class Folder:
    """A project folder, and the command in it."""

    def __init__(self, home: Path, document: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.document, self.capsys = home, document, capsys

    def scenario(self, name: str = "one", files: dict[str, str] | None = None, **fields: Any) -> Path:
        folder = self.home / "scenarios" / name
        folder.mkdir(parents=True)
        for file, text in (PLAYBOOKS | (files or {})).items():
            (folder / file).write_text(text)
        sound = self.document | {"hosts": [{"host_name": "web-01"}], "validation": {"tasks": [RULE]}}
        (folder / "scenario.json").write_text(json.dumps(sound | fields, indent=2))
        return folder

    def validate(self, *words: str, syntax: bool = False) -> tuple[int, str, str]:
        self.capsys.readouterr()
        flags = [] if syntax else ["--no-syntax"]
        status = program.run(app, ["validate", *(words or ("scenarios",)), *flags], name="2501bench")
        out, err = self.capsys.readouterr()
        return status, out, err


@pytest.fixture
def project(
    tmp_path: Path, document: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Folder:
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path, document, capsys)


def test_a_sound_folder_is_status_0(project: Folder) -> None:
    project.scenario()
    assert project.validate() == (0, "1 scenario checked: 0 errors, 0 warnings, 0 hints.\n", "")


def test_a_folder_without_scenarios_is_status_1(project: Folder) -> None:
    assert project.validate(".")[:2] == (1, "0 scenarios checked: 0 errors, 0 warnings, 0 hints.\n")


@pytest.mark.parametrize(
    ("rule", "words", "status"),
    [
        ({"pattern": ".*"}, (), 1),
        ({"pattern": "nginx -t"}, (), 0),
        ({"pattern": "nginx -t"}, ("--strict",), 1),
        ({"pattern": "nginx -t"}, ("--strict", "--ignore", "SC306"), 0),
        ({"pattern": "nginx -t"}, ("--strict", "--ignore", "matches-mention,SC1"), 0),
        ({"pattern": "nginx -t"}, ("--strict", "--select", "sc3"), 1),
        ({"pattern": "nginx -t"}, ("--strict", "--select", "SC4", "--select", "SC101"), 0),
        ({"pattern": "nginx -t", "required": False}, ("--strict", "--select", "SC306"), 0),
    ],
)
def test_the_status_follows_severity_strictness_and_selection(
    project: Folder, rule: dict[str, Any], words: tuple[str, ...], status: int
) -> None:
    project.scenario(validation={"tasks": [RULE | rule]})
    assert project.validate("scenarios", *words)[0] == status


def test_what_is_meant_is_not_told_and_needs_a_reason(project: Folder) -> None:
    folder = project.scenario(
        validation={"tasks": [RULE | {"pattern": "nginx -t"}]},
        bench={"lint": {"ignore": {"SC306": "Comments are work, too."}}},
    )
    assert project.validate("scenarios", "--strict")[:2] == (0, "1 scenario checked: 0 errors, 0 warnings, 0 hints.\n")

    text = (folder / "scenario.json").read_text()
    (folder / "scenario.json").write_text(text.replace("Comments are work, too.", " "))
    status, out, _ = project.validate()
    assert (status, "SC002: must not be empty. [/bench/lint/ignore/SC306]" in out) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--select", "SC999"), "'SC999' is no code. Did you mean 'SC"),
        (("--ignore", "never-fail"), "'never-fail' is no code. Did you mean 'never-fails'?"),
        (("--ignore", "elephant"), "'elephant' is no code. All codes are in docs/linting.md."),
        (("--json", "--sarif", "-"), "--json prints to the same place; give --sarif a file."),
        (("--sarif", "no/such/folder.sarif"), "no/such/folder.sarif: No such file or directory."),
        (("no-such-folder",), "no-such-folder: no such file or folder."),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(project: Folder, words: tuple[str, ...], said: str) -> None:
    project.scenario()
    status, _, err = project.validate("scenarios", *words)
    assert status == 2
    assert said.rstrip(".") in err
    assert len(err.splitlines()) == 1


def test_options_for_folders_are_refused_with_runs(project: Folder) -> None:
    status, _, err = project.validate("last", "--strict")
    assert status == 2
    assert "--strict is for scenario folders" in err


def test_two_scenarios_of_one_key_are_told_once(project: Folder) -> None:
    project.scenario("one")
    project.scenario("two")
    status, out, _ = project.validate("scenarios", "scenarios/one")
    assert status == 1
    assert out == (
        "scenarios/two/scenario.json:2:10: error SC006: 'nginx/001' is the key of scenarios/one/scenario.json already."
        " Keys must be unique. [/key]\n2 scenarios checked: 1 error, 0 warnings, 0 hints.\n"
    )


def test_the_old_form_is_shown_in_the_new_one(project: Folder) -> None:
    folder = project.scenario(files={name: text.replace("web-01", "host-01") for name, text in PLAYBOOKS.items()})
    (folder / "scenario.json").write_text('{"key": "a", "name": "n", "description": "d"}')
    status, out, _ = project.validate()
    assert status == 0
    assert "warning SC008" in out
    assert '"ticket_body": "d"' in out


def test_json_holds_everything_and_nothing_else_is_printed(project: Folder) -> None:
    project.scenario(validation={"tasks": [RULE | {"pattern": ".*"}]})
    status, out, err = project.validate("scenarios", "--json")
    document = json.loads(out)
    assert (status, err) == (1, "")
    assert document["scenarios"] == 1
    assert document["counts"] == {"error": 1, "warning": 0, "hint": 0}
    (finding,) = document["findings"]
    assert finding == {
        "code": "SC301",
        "name": "never-fails",
        "severity": "error",
        "file": "scenarios/one/scenario.json",
        "pointer": "/validation/tasks/0/pattern",
        "line": 17,
        "column": 20,
        "message": "'.*' matches every text, so the rule can never fail where there is evidence",
        "right": "Write what must be there, or must not.",
        "docs": "docs/linting.md#sc301-never-fails",
    }


def test_sarif_keeps_its_schema_and_names_rule_file_and_line(project: Folder) -> None:
    project.scenario("with blank: é", validation={"tasks": [RULE | {"pattern": ".*"}]})
    status, out, _ = project.validate("scenarios", "--sarif", "found.sarif")
    document = json.loads((project.home / "found.sarif").read_text())

    assert status == 1
    assert "SC301" in out
    jsonschema_rs.validator_for(SCHEMA).validate(document)
    (run,) = document["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(CODES)
    (result,) = run["results"]
    assert list(CODES)[result["ruleIndex"]] == result["ruleId"] == "SC301"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {
        "uri": "scenarios/with%20blank%3A%20%C3%A9/scenario.json",
        "uriBaseId": "%SRCROOT%",
    }
    assert place["region"] == {"startLine": 17, "startColumn": 20}


def test_sarif_of_nothing_is_whole_and_can_be_printed(project: Folder) -> None:
    project.scenario()
    status, out, _ = project.validate("scenarios", "--sarif", "-")
    document = json.loads(out)
    jsonschema_rs.validator_for(SCHEMA).validate(document)
    assert (status, document["runs"][0]["results"]) == (0, [])


def test_what_ansible_refuses_is_told_with_its_line(project: Folder) -> None:
    project.scenario(files={"solve.yml": PLAY + "    - ansible.builtin.command: x\n      lop: [1]\n"})
    status, out, _ = project.validate("scenarios", "--select", "SC408", syntax=True)
    assert status == 1
    assert out.startswith("scenarios/one/solve.yml:4:1: error SC408: ")


def test_the_shipped_scenarios_have_nothing_to_be_said_of(project: Folder) -> None:
    status, out, _ = project.validate(str(ROOT / "scenarios"), "--strict")
    count = len(list((ROOT / "scenarios").rglob("scenario.json")))
    assert (status, out.splitlines()[-1].rpartition(",")[0]) == (0, f"{count} scenarios checked: 0 errors, 0 warnings")


def test_the_scenario_of_the_example_plugin_only_lacks_its_plugin(project: Folder) -> None:
    status, out, _ = project.validate(str(ROOT / "examples/plugin"), "--strict", "--ignore", "SC005")
    assert status == 0, out


def test_a_hundred_scenarios_are_checked_in_one_go(project: Folder) -> None:
    shipped = sorted(path.parent for path in (ROOT / "scenarios").rglob("scenario.json"))
    for number in range(100):
        shutil.copytree(shipped[number % len(shipped)], project.home / "scenarios" / str(number))
    status, out, _ = project.validate("scenarios", "--ignore", "SC006,SC203")
    assert (status, out.splitlines()[-1].split(":")[0]) == (0, "100 scenarios checked")
