"""Every mistake of a user's is one clear line, nothing runs, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.plugin_project import FOUND, LOOKED, Project, scenario_json
from syrupy.assertion import SnapshotAssertion

RULE = {"label": "looks", "validator": "pattern_match", "pattern": "^du", "where": "executed_commands"}


def rules(**changes: Any) -> dict[str, Any]:
    return {"validation": {"tasks": [LOOKED, {**RULE, **changes}]}}


# ---- scenario.json --------------------------------------------------------------------------------------------------

FILES: dict[str, str | dict[str, Any]] = {
    "broken json": '{\n  "key": "nginx/001",\n  "title": "no comma"\n  "description": "here"\n}\n',
    "not an object": "[1, 2]",
    "empty": "",
    "not utf-8": "\udcff",
    "missing field": scenario_json("nginx/001", ticket_body=None),
    "unknown field": scenario_json("nginx/001", ticket_titel="x"),
    "wrong type": scenario_json("nginx/001", tags="web"),
    "bad regular expression": scenario_json("nginx/001", **rules(pattern="(du")),
    "unknown validator": scenario_json("nginx/001", **rules(validator="patern_match")),
    "unknown target": scenario_json("nginx/001", **rules(where="executed_command")),
    "unknown status": scenario_json(
        "nginx/001",
        validation={"job": [{"label": "ok", "validator": "job_resolution_status", "pattern": "succes"}]},
    ),
    "no way to tell": scenario_json("nginx/001", bench=None),
    "unknown capability": scenario_json("nginx/001", bench={"outcome": [FOUND], "requires": ["systemdd"]}),
    "several mistakes": scenario_json("nginx/001", tags="web", ticket_body="", **rules(where="executed_command")),
}


@pytest.mark.parametrize("what", FILES)
def test_a_scenario_file_that_breaks_the_contract(project: Project, what: str, snapshot: SnapshotAssertion) -> None:
    content = FILES[what]
    file = project.scenario("nginx/001") / "scenario.json"
    text = content if isinstance(content, str) else json.dumps(content, indent=2)
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    project.scenario("disk/001")  # which is sound, and must not run either
    assert project.run().collection_errors() == snapshot
    assert not project.bench_dir.exists()


def test_the_sound_scenarios_run_if_the_user_says_so(project: Project) -> None:
    project.write("scenarios/nginx/001/scenario.json", "{")
    project.scenario("disk/001")
    outcome = project.run("--continue-on-collection-errors")
    outcome.counts(passed=2, errors=1)
    assert project.runs() == {"disk/001": 1}


def test_two_scenarios_with_the_same_key(project: Project, snapshot: SnapshotAssertion) -> None:
    project.scenario("nginx/001")
    project.scenario("nginx/001", folder="other/place")
    assert project.run().collection_errors() == snapshot


def test_the_old_form_runs_with_a_warning_that_shows_the_new_one(project: Project) -> None:
    project.write(
        "scenarios/old/scenario.json",
        json.dumps({"key": "old", "name": "The disk", "description": "It is full.", "bench": {"outcome": [FOUND]}}),
    )
    project.write("pytest.ini", (project.root / "pytest.ini").read_text().replace("= error\n", "= default\n"))
    outcome = project.run()
    outcome.counts(passed=2, warnings=1)
    assert "ticket_title" in outcome.out


# ---- playbooks ------------------------------------------------------------------------------------------------------


def test_a_playbook_with_a_yaml_error_is_told_before_anything_runs(
    project: Project, snapshot: SnapshotAssertion
) -> None:
    folder = project.scenario("nginx/001")
    (folder / "prepare.yml").write_text("- hosts: all\n  tasks:\n    - name: 'unclosed\n")
    assert project.run().usage_error() == snapshot


@pytest.mark.parametrize("text", ["", "hosts: all\n", "- tasks: []\n"], ids=["empty", "mapping", "no hosts"])
def test_a_playbook_that_has_no_plays(project: Project, text: str, snapshot: SnapshotAssertion) -> None:
    folder = project.scenario("nginx/001")
    (folder / "validate.yml").write_text(text)
    assert project.run().usage_error() == snapshot


REJECTED = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: No such module
      no.such.module:
        a: 1
"""
NO_HOSTS = """\
- hosts: databases
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
"""


@pytest.mark.parametrize("text", [REJECTED, NO_HOSTS], ids=["rejected", "matches no hosts"])
def test_a_prepare_that_ansible_does_not_play_loses_the_run(
    project: Project, text: str, snapshot: SnapshotAssertion
) -> None:
    folder = project.scenario("nginx/001")
    (folder / "prepare.yml").write_text(text)
    outcome = project.run()
    outcome.counts(errors=2)
    assert project.report().failure_cause == "prepare_failed"
    assert project.calls("gateway.submit") == []
    assert project.left() == []
    assert message(project) == snapshot


def message(project: Project) -> str:
    return project.normal(project.report().failure_message)


# ---- options --------------------------------------------------------------------------------------------------------

OPTIONS = {
    "unknown mode": ["--mode", "qemu"],
    "mistyped mode": ["--mode", "namespce"],
    "unknown gateway": ["--gateway", "service-now"],
    "mistyped agent": ["--agent", "orakle"],
    "iter zero": ["--iter", "0"],
    "iter text": ["--iter", "x"],
    "iter empty": ["--iter", ""],
    "iter negative": ["--iter=-3"],
    "retries": ["--infra-retries", "many"],
    "agent command without a program": ["--agent", "command"],
    "agent command empty": ["--agent-command", ""],
    "agent command unbalanced": ["--agent-command", "run 'it"],
    "agent command missing": ["--agent-command", "no-such-program --fast"],
    "scenario unknown": ["--scenarios", "nginx/002"],
    "scenarios far off": ["--scenarios", "kubernetes,web"],
    "two scenarios unknown": ["--scenarios", "ngin/001,wep"],
    "scenarios empty": ["--scenarios", " , "],
    "env file missing": ["--bench-env-file", "nowhere.env"],
    "env file a folder": ["--bench-env-file", "."],
    "bench dir a file": ["--bench-dir", "pytest.ini"],
}


@pytest.mark.parametrize("what", OPTIONS)
def test_an_option_that_is_wrong(project: Project, what: str, snapshot: SnapshotAssertion) -> None:
    project.monkeypatch.delenv("ENGINE_URL")
    project.scenario("nginx/001", tags=["web"])
    project.scenario("disk/001", tags=["storage"])
    assert project.run(*OPTIONS[what]).usage_error() == snapshot
    assert not project.bench_dir.exists()


@pytest.mark.parametrize(
    ("name", "value"), [("BENCH_ITER", "0"), ("BENCH_MODE", "qemu"), ("BENCH_INFRA_RETRIES", "-1")]
)
@pytest.mark.parametrize("where", ["environment", "env file", "ini"])
def test_a_wrong_value_names_the_place_it_came_from(
    project: Project, name: str, value: str, where: str, snapshot: SnapshotAssertion
) -> None:
    project.scenario("nginx/001")
    if where == "environment":
        project.monkeypatch.setenv(name, value)
    elif where == "env file":
        project.write("bench.env", f"{name}={value}\n")
    else:
        option = {"BENCH_ITER": "bench_iterations"}.get(name, name.lower())
        text = (project.root / "pytest.ini").read_text().replace("bench_mode = fake\n", "")
        project.write("pytest.ini", f"{text}{option} = {value}\n")
    args = ["--bench-env-file", "bench.env"] if where == "env file" else []
    if where == "env file" and name == "BENCH_MODE":
        args += ["-o", "bench_mode="]
    assert project.run(*args).usage_error() == snapshot


def test_the_default_mode_says_what_to_choose_when_it_is_not_there(
    project: Project, snapshot: SnapshotAssertion
) -> None:
    project.write("pytest.ini", "[pytest]\naddopts = -p no:randomly\nbench_gateway = fake\n")
    project.scenario("nginx/001")
    assert project.run().usage_error() == snapshot


def test_an_option_that_another_plugin_has_taken(project: Project, snapshot: SnapshotAssertion) -> None:
    project.write("other.py", "def pytest_addoption(parser):\n    parser.addoption('--mode')\n")
    project.pytester.syspathinsert()
    outcome = project.run("-p", "other")
    assert "Traceback" not in outcome.out
    assert outcome.status == pytest.ExitCode.USAGE_ERROR
    assert outcome.result.stderr.str().strip() == snapshot


# ---- pre-flight -----------------------------------------------------------------------------------------------------

DATABASES = {
    "garbage": "no url at all",
    "kind": "mysql://ada:pw@127.0.0.1/x",
    "unreachable": "postgresql://ada:pw-canary@127.0.0.1:9/bench",
    "no database": "postgresql://ada:pw-canary@127.0.0.1:9",
    "unescaped password": "postgresql://ada:pw@canary@127.0.0.1:9/bench",
    "memory": "sqlite://",
}


@pytest.mark.parametrize("what", DATABASES)
def test_a_database_that_cannot_be_used(project: Project, what: str, snapshot: SnapshotAssertion) -> None:
    project.monkeypatch.setenv("DATABASE_URL", DATABASES[what])
    project.scenario("nginx/001")
    outcome = project.run()
    assert outcome.usage_error() == snapshot
    assert "canary" not in outcome.out
    assert not list(project.root.glob("**/results.db"))  # never a silent fallback


@pytest.mark.parametrize("name", ["ORG_ID", "TENANT_ID", "USER_ID"])
def test_an_identity_that_does_not_exist(project: Project, name: str, snapshot: SnapshotAssertion) -> None:
    project.write("bench.env", f"{name}=nobody\n")
    project.scenario("nginx/001")
    assert project.run("--bench-env-file", "bench.env").usage_error() == snapshot


def test_ansible_that_is_absent(project: Project, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    # A virtual environment's folder of programs without Ansible's.
    programs = project.root / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(os.path.realpath(shutil.which("python3") or "/usr/bin/python3"))
    project.monkeypatch.setattr("sys.executable", str(programs / "python"))
    project.monkeypatch.setenv("PATH", str(programs))
    project.scenario("nginx/001")
    assert project.run().usage_error() == snapshot


def test_a_machine_that_cannot_offer_the_mode(project: Project, snapshot: SnapshotAssertion) -> None:
    project.scenario("nginx/001")
    project.fakes(
        obstacles=[["newuidmap is missing", "apt-get install uidmap"], ["the kernel is too old", "Use 5.11."]]
    )
    assert project.run().usage_error() == snapshot


@pytest.mark.usefixtures("impatient")
def test_a_gateway_that_does_not_answer(project: Project, snapshot: SnapshotAssertion) -> None:
    project.scenario("nginx/001")
    assert project.run("--gateway", "runner").usage_error() == snapshot


@pytest.mark.parametrize(
    ("name", "value"), [("ENGINE_URL", "ftp://engine"), ("ENGINE_URL", "engine:2501"), ("ENGINE_API_KEY", "")]
)
def test_an_engine_that_is_not_named_rightly(
    project: Project, name: str, value: str, snapshot: SnapshotAssertion
) -> None:
    project.monkeypatch.setenv(name, value)
    project.scenario("nginx/001")
    assert project.run("--gateway", "runner").usage_error() == snapshot


def test_bench_check_tells_what_is_wrong_too(project: Project, snapshot: SnapshotAssertion) -> None:
    project.scenario("nginx/001")
    project.fault("gateway.preflight", "gateway_unavailable", "nobody answers")
    assert project.run("--bench-check").usage_error() == snapshot
