"""``2501bench explain``: what an agent will see of a scenario, what is checked, what would be wrong. For its author."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.parameters import ScenariosPath

if TYPE_CHECKING:
    from pytest_2501bench.authoring.explanation import Explanation, RuleSaid
    from pytest_2501bench.scenario.model import LoadedScenario

_WIDTH = 100
_LONGEST = 300
"""Characters of a rule's words that are shown; --json has all."""

ANSWERS = "This page holds the answers. No agent must see it, nor anything else of the scenario's folder."


def explain(
    what: Annotated[
        str, typer.Argument(metavar="KEY|FOLDER", help="The scenario's key, a tag of only one, or its folder.")
    ],
    *,
    path: ScenariosPath = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a scenario's agent will see, what is checked, and which fixes are wrong or right. For authors.

    It holds the answers: keep it from agents.
    """
    from pytest_2501bench.authoring.explanation import explain as explained

    loaded = find(what, path)
    told = explained(loaded, Path.cwd())
    if as_json:
        typer.echo(json.dumps(told.as_json(), indent=2, ensure_ascii=False))
    else:
        _show(told)


def find(what: str, path: Path | None) -> LoadedScenario:
    """Return the scenario that *what* means: a folder, a scenario.json, a key, or a tag of only one.

    Raises:
        BenchError: as :func:`~pytest_2501bench.cli.scenarios.one_scenario`.
    """
    from pytest_2501bench.cli.scenarios import one_scenario, readable, scenarios_folder
    from pytest_2501bench.scenario.find import FILE_NAME
    from pytest_2501bench.scenario.load import load_scenario
    from pytest_2501bench.scenario.model import BUILT_IN_RULES

    file = Path(what) if Path(what).name == FILE_NAME else Path(what) / FILE_NAME
    if file.is_file():
        found, _broken = readable(file)
        return found[0] if found else load_scenario(file, root=Path.cwd())  # which says what is wrong
    folder = scenarios_folder(path)
    named = [loaded for loaded in readable(folder)[0] if loaded.scenario.key == what]
    return named[0] if named else one_scenario(folder, what, BUILT_IN_RULES, option="KEY")


def _show(told: Explanation) -> None:
    card = told.scenario
    _heading(f"{card.key}: {card.title}")
    _text(ANSWERS)
    _text(told.description)
    _agent(told)
    _validation(told)
    _compliance(told)
    _fixes(told)
    _taxonomy(told)
    _try(told)


def _agent(told: Explanation) -> None:
    seen = told.seen
    _heading("What the agent will see")
    _text(seen.ticket_title)
    for paragraph in seen.ticket_body.splitlines():
        _text(paragraph, indent=4)
    typer.echo("")
    for agent in seen.agents:
        _item("agent", f"{agent.agent_name} on {agent.host_name}, specialty {agent.specialty_key}")
    for host in seen.hosts:
        if host not in {agent.host_name for agent in seen.agents}:
            _item("host", f"{host}, without an agent")
    _item("deadline", f"{seen.deadline_seconds:g} s from the ticket to the end of its job")
    if seen.allowed_agents is not None or seen.allowed_hosts is not None:
        allowed = [*(seen.allowed_agents or ()), *(seen.allowed_hosts or ())]
        _item("guard", f"a job with others than {', '.join(allowed) or 'nobody'} is stopped; both gates fail")
    _item("besides", "operational rules that the engine has for these specialties, and the hosts themselves")


def _validation(told: Explanation) -> None:
    _heading("What is checked: task validation")
    if told.hold_seconds:
        _item("held", f"{told.hold_seconds:g} s after the job, before anything is looked at")
    for play in told.validation:
        _text(f"validate.yml on {play.hosts}: {play.name}".rstrip(": "))
        for task in play.tasks:
            _text(f"- {task}", indent=4, hanging=2)
    _rules(told.outcome)


def _compliance(told: Explanation) -> None:
    _heading("What is checked: compliance")
    _rules(told.compliance)
    if not told.compliance:
        _text("Nothing: this gate is always green.")
    if told.collateral is not None:
        _heading("What is checked: nothing else changed" + ("" if told.collateral.required else " (only shown)"))
        _item("folders", ", ".join(told.collateral.roots))
        _item("may change", ", ".join(told.collateral.allowed_changes) or "nothing")


def _rules(rules: Iterable[RuleSaid]) -> None:
    for rule in rules:
        marks = [f"policy {rule.policy}"] if rule.policy else []
        marks += ["informational"] if not rule.required else []
        marks += ["catastrophic: both gates fail"] if rule.catastrophic else []
        noted = f" ({', '.join(marks)})" if marks else ""
        _text(f"- {rule.label}{noted}", hanging=2)
        if "/policies/" not in rule.place:  # their label says it; the expressions are the same everywhere
            words = rule.words if len(rule.words) <= _LONGEST else f"{rule.words[:_LONGEST]} … (all of it: --json)"
            typer.echo(f"      {words}")  # not filled: an expression must stay whole


def _fixes(told: Explanation) -> None:
    _heading("What would be a wrong fix")
    for wrong in told.wrong:
        why = wrong.why or "scenario.json does not say what must notice it (bench.cheats)"
        _text(f"- cheat-{wrong.name}: {why}", hanging=2)
        for line in wrong.does:
            _text(f"does: {line}", indent=6)
        if wrong.fails is not None:
            gate = {"both": "both gates", "task_validation": "task validation"}.get(wrong.fails, wrong.fails)
            broken = f"; broken: {', '.join(wrong.rules)}" if wrong.rules else ""
            _text(f"red: {gate}{broken}", indent=6)
    if not told.wrong:
        _text("None is known. Add cheat-NAME.yml, and say under bench.cheats what must notice it.")
    _heading("What is a good fix")
    for good in told.good:
        _text(f"- {good.name}.yml: {'; '.join(good.does)}".rstrip(": "), hanging=2)
    if not told.good:
        _text("None is known: there is no solve.yml.")


def _taxonomy(told: Explanation) -> None:
    card = told.scenario
    _heading("Where it belongs")
    minutes = None if card.expected_minutes is None else f"{card.expected_minutes:g} min for a person on call"
    for name, value in (
        ("kind", card.kind),
        ("difficulty", card.difficulty),
        ("skills", ", ".join(card.skills)),
        ("blast radius", card.blast_radius),
        ("expected", minutes),
        ("tags", ", ".join(card.tags)),
        ("needs", ", ".join(card.needs)),
        ("packages", ", ".join(dict.fromkeys(name for host in card.hosts for name in host.packages))),
    ):
        if value:
            _item(name, value)
    for source in card.sources:
        _item("source", f"{source.title}{f' <{source.url}>' if source.url else ''}")


def _try(told: Explanation) -> None:
    _heading("How to try it")
    for line in commands(told.scenario.key, told.scenario.folder):
        typer.echo(f"  {line}")


def commands(key: str, folder: str) -> Sequence[str]:
    """Return the commands by which an author tries a scenario."""
    return (
        f"2501bench validate {folder}",
        f"2501bench sandbox prepare -s {key}",
        f"pytest {folder} --mode namespace --agent oracle    # must be green",
        f"pytest {folder} --mode namespace --agent noop      # must be red",
        f"pytest {folder} --mode namespace --selfcheck       # every claim of it",
    )


def _heading(text: str) -> None:
    typer.echo(typer.style(f"\n{text}", bold=sys.stdout.isatty()))


def _item(name: str, text: str) -> None:
    typer.echo(textwrap.fill(text, _WIDTH, initial_indent=f"  {name:<14}", subsequent_indent=" " * 16))


def _text(text: str, indent: int = 2, hanging: int = 0) -> None:
    blank = " " * indent
    filled = textwrap.fill(
        text, _WIDTH, initial_indent=blank, subsequent_indent=blank + " " * hanging, break_on_hyphens=False
    )
    typer.echo(filled)
