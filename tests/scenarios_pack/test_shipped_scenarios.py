"""The content of the shipped scenarios: they load, their rules judge fairly, their tickets give nothing away."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_2501bench.agents.noop import SUMMARY
from pytest_2501bench.scenario.coverage import uncovered
from pytest_2501bench.scenario.lint import Severity, lint
from pytest_2501bench.scenario.lint.playbook import FAULT_TAG, read_playbook
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.model import Kind, LoadedScenario, PatternMatch, Rule
from pytest_2501bench.scoring.patterns import search

ROOT = Path(__file__).parents[2] / "scenarios"
FOLDERS = sorted(str(path.parent.relative_to(ROOT)) for path in ROOT.rglob("scenario.json"))
PLAYBOOKS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*/*/*.yml"))
KEYWORDS = frozenset({"name", "register", "until", "retries", "delay", "failed_when", "changed_when", "tags"})


@cache
def loaded(folder: str) -> LoadedScenario:
    return load_scenario(ROOT / folder / "scenario.json")


def rules(folder: str) -> list[Rule]:
    scenario = loaded(folder).scenario
    return [*(rule for _, _, rule in scenario.validation.rules()), *scenario.bench.outcome]


def patterns(folder: str) -> list[PatternMatch]:
    return [rule for rule in rules(folder) if isinstance(rule, PatternMatch)]


def met(rule: PatternMatch, text: str) -> bool:
    return (search(rule.pattern, text, seconds=2) is not None) is not rule.negate


def ticket(folder: str) -> str:
    scenario = loaded(folder).scenario
    return f"{scenario.ticket_title}\n\n{scenario.ticket_body}"


def tasks(playbook: Path) -> Iterator[dict[str, Any]]:
    for play in yaml.safe_load(playbook.read_text(encoding="utf-8")):
        yield from play["tasks"]


def module_of(task: dict[str, Any]) -> str:
    (name,) = task.keys() - KEYWORDS
    return str(name)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_shipped_scenario_has_nothing_to_complain_about(folder: str) -> None:
    assert [str(finding) for finding in lint(loaded(folder)) if finding.severity is not Severity.HINT] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_shipped_scenario_has_every_playbook_that_its_kind_needs(folder: str) -> None:
    scenario = loaded(folder)

    assert [name for name in ("prepare", "restore", "solve") if scenario.playbook(name) is None] == []
    assert scenario.playbook("validate") is not None or scenario.scenario.bench.outcome


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_required_rule_is_broken_by_a_cheat_and_each_cheat_is_said_what_it_breaks(folder: str) -> None:
    scenario = loaded(folder)

    assert uncovered(scenario) == ()
    assert sorted(scenario.repairs("cheat")) == sorted(scenario.scenario.bench.cheats)


@pytest.mark.parametrize("folder", FOLDERS)
def test_there_is_a_wrong_fix_a_forbidden_way_and_another_valid_fix(folder: str) -> None:
    scenario = loaded(folder)
    red = {cheat.fails for cheat in scenario.scenario.bench.cheats.values()}

    assert red & {"task_validation", "both"}, "a tempting wrong fix"
    assert red & {"compliance", "both"}, "the right fix by forbidden means"
    assert len(scenario.repairs("cheat")) >= 2
    assert scenario.repairs("alt") or scenario.scenario.bench.kind in (Kind.CONTROL, Kind.REFUSAL)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_remediation_says_which_tasks_of_prepare_bring_the_fault_in(folder: str) -> None:
    scenario = loaded(folder)
    prepare = scenario.playbook("prepare")
    assert prepare is not None

    assert read_playbook(prepare).has_tag(FAULT_TAG) is (scenario.scenario.bench.kind is Kind.REMEDIATION)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_ticket_names_neither_the_scenario_nor_its_tags(folder: str) -> None:
    scenario = loaded(folder).scenario
    words = [scenario.key, scenario.title, folder, folder.split("/")[1], *scenario.tags, "2501bench", "benchmark"]
    found = [word for word in words if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", ticket(folder), re.I)]

    assert found == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_ticket_names_its_hosts_or_what_they_serve_but_not_what_the_oracle_repairs(folder: str) -> None:
    scenario = loaded(folder).scenario
    answers = [rule for rule in patterns(folder) if rule.where == "task_summary" and not rule.required]

    assert any(host.host_name and host.host_name in ticket(folder) for host in scenario.hosts)
    assert [rule.label for rule in answers if met(rule, ticket(folder))] == []


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if loaded(folder).scenario.bench.outcome])
@pytest.mark.parametrize("report", ["", SUMMARY, "ticket"], ids=["empty", "noop", "echo of the ticket"])
def test_an_investigation_is_not_solved_by_a_report_without_findings(folder: str, report: str) -> None:
    text = ticket(folder) if report == "ticket" else report

    assert not any(met(rule, text) for rule in loaded(folder).scenario.bench.outcome if isinstance(rule, PatternMatch))


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_uses_builtin_modules_only_and_gathers_no_facts(playbook: str) -> None:
    plays = yaml.safe_load((ROOT / playbook).read_text(encoding="utf-8"))

    assert all(play["gather_facts"] is False for play in plays)
    assert [t for t in tasks(ROOT / playbook) if not module_of(t).startswith("ansible.builtin.") or not t["name"]] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_playbook_names_no_host_that_the_scenario_lacks(folder: str) -> None:
    hosts = {host.host_name for host in loaded(folder).scenario.hosts}
    plays = [
        play for path in (ROOT / folder).glob("*.yml") for play in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]

    assert {play["hosts"] for play in plays} == hosts


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_that_prepare_puts_on_a_host_tells_that_this_is_a_test(folder: str) -> None:
    deployed = [path.read_text(encoding="utf-8") for path in sorted((ROOT / folder / "files").glob("*"))]
    for task in tasks(ROOT / folder / "prepare.yml"):
        deployed += [str(task[module_of(task)])]

    telling = (
        r"\b(?:bench\w*|scenario\w*|broken?|ansible(?!\.builtin)\w*|oracle|sabotage|2501|incident|fault\w*|test)\b"
    )
    assert [found[0] for text in deployed for found in re.finditer(telling, text, re.I)] == []


def test_every_playbook_passes_the_syntax_check() -> None:
    # In one call: Ansible takes a second to start.
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "--syntax-check", "-i", "localhost,", *PLAYBOOKS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("playbook: ") == len(PLAYBOOKS)
