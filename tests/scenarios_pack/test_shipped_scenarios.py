"""The content of the shipped scenarios: they load, their rules judge fairly, their tickets give nothing away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from scenarios_pack.rule_examples import EXAMPLES

from pytest_2501bench.agents.noop import SUMMARY
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.scenario.lint import Severity, lint
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.model import LoadedScenario, PatternMatch, Rule
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


def examples() -> Iterator[Any]:
    for folder in FOLDERS:
        for rule in patterns(folder):
            yield pytest.param(rule, folder, id=f"{folder}: {rule.label}")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_shipped_scenario_has_nothing_to_complain_about(folder: str) -> None:
    assert [str(finding) for finding in lint(loaded(folder)) if finding.severity is not Severity.HINT] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_shipped_scenario_has_every_playbook_that_its_kind_needs(folder: str) -> None:
    scenario = loaded(folder)
    names = [name for name in ("prepare", "validate", "restore", "solve") if scenario.playbook(name) is not None]

    expected = ["prepare", "validate", "restore", "solve"]
    assert names == ([n for n in expected if n != "validate"] if scenario.scenario.bench.outcome else expected)


@pytest.mark.parametrize("folder", FOLDERS)
def test_rules_are_of_each_kind_required_informational_and_negated(folder: str) -> None:
    kinds = {(rule.required, rule.negate) for rule in rules(folder)}

    assert {(True, False), (True, True), (False, False)} <= kinds


def test_folders_and_examples_are_the_same() -> None:
    assert sorted(EXAMPLES) == FOLDERS


@pytest.mark.parametrize(("rule", "folder"), list(examples()))
def test_a_rule_is_met_by_what_keeps_it_and_only_by_that(rule: PatternMatch, folder: str) -> None:
    own = EXAMPLES[folder][rule.label]
    assert own.keeps
    assert own.breaks

    assert [text for text in own.keeps if not met(rule, text)] == []
    assert [text for text in own.breaks if met(rule, text)] == []


@pytest.mark.parametrize(("rule", "folder"), list(examples()))
def test_a_pattern_stays_quick_on_a_long_history_of_commands(rule: PatternMatch, folder: str) -> None:
    lines = [text for own in EXAMPLES[folder].values() for text in own.keeps]
    text = "\n".join(lines * (100_000 // len("\n".join(lines)) + 1)) + "\n" + "a 'b' \"c\" -u " * 2000

    search(rule.pattern, text, seconds=2)  # raises when it has no verdict by then


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_oracles_commands_break_no_negated_rule(folder: str) -> None:
    playbook = loaded(folder).playbook("solve")
    assert playbook is not None
    lines = [str(task[module]) for task in tasks(playbook) if (module := module_of(task)) != "ansible.builtin.debug"]
    prohibitions = [r for r in patterns(folder) if r.negate and r.where == "executed_commands"]

    assert len(lines) > 2
    assert [(rule.label, line) for rule in prohibitions for line in lines if not met(rule, line)] == []


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


@pytest.fixture(scope="module")
def runner() -> Iterator[AnsibleRunner]:
    runner = AnsibleRunner()
    yield runner
    runner.close()


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_passes_the_syntax_check(runner: AnsibleRunner, playbook: str) -> None:
    assert runner.syntax_check(ROOT / playbook) is None
