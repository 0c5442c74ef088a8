"""``2501bench chaos``: break a part in the middle of runs, restore it, and see what becomes of them."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.parameters import BenchDir, EnvFile, Mode, ScenariosPath, Templates

if TYPE_CHECKING:
    from pytest_2501bench.chaos.judge import Judgement
    from pytest_2501bench.chaos.plan import Kill
    from pytest_2501bench.cli.project import Project
    from pytest_2501bench.errors import Phase

FOLDER = "chaos"
"""In the bench directory: a folder for each time."""
_SUFFIXES = ("_KILL_COMMAND", "_START_COMMAND")


class Target(StrEnum):
    """What ``--kill`` takes; the parts of :class:`pytest_2501bench.chaos.plan.Part`, whose room is imported late."""

    ENGINE = "engine"
    GATEWAY = "gateway"
    DATABASE = "database"
    NETWORK = "network"
    HOST = "host"


def chaos(
    *,
    scenarios: Annotated[
        str, typer.Option("-s", "--scenarios", metavar="KEY|TAG[,…]", help="The scenarios, by keys and tags.")
    ],
    path: ScenariosPath = None,
    mode: Mode = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="Agent of the local engine: oracle, noop, command.")
    ] = None,
    agent_command: Annotated[
        str | None, typer.Option("--agent-command", metavar="PROGRAM", help="The program that works the tickets.")
    ] = None,
    kill: Annotated[
        list[Target] | None, typer.Option("--kill", help="Break only this; may be repeated. Default: all of them.")
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="PHASE|random", help="provision, prepare, flush, execute, validate, restore, or random."
        ),
    ] = "random",
    times: Annotated[int, typer.Option("--times", min=1, metavar="N", help="How many kills, each in its own run.")] = 5,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Of the plan. Default: a new one, which is printed.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, and run nothing.")] = False,
    vm_templates_path: Templates = None,
    env_file: EnvFile = None,
    bench_dir: BenchDir = None,
) -> None:
    """Break a part in the middle of runs, restore it, and report what became of each run.

    recovered: the verdicts of an undisturbed run. error: recorded as lost to infrastructure, outside of every rate.
    lost: no result is stored. wrong: another verdict. missed: the run was over before the kill.

    An outside engine is killed and started with ENGINE_KILL_COMMAND and ENGINE_START_COMMAND, from the environment or
    the env file; any other part may have such commands too.

    Exit status: 0 every run recovered or is a visible error; 1 one was lost or wrong, or left something behind;
    2 wrong usage, or a scenario that does not even run undisturbed; 130 interrupted.
    """
    from pytest_2501bench.chaos.plan import Part, make_plan
    from pytest_2501bench.cli.parameters import flags
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.cli.scenarios import scenarios_folder

    folder = scenarios_folder(path)
    project = open_project(
        env_file=env_file,
        mode=mode,
        agent=agent,
        agent_command=agent_command,
        vm_templates_path=vm_templates_path,
        bench_dir=bench_dir,
    )
    keys = _keys(project, folder, scenarios)
    seed = int.from_bytes(os.urandom(3), "big") if seed is None else seed
    parts = [Part(each) for each in dict.fromkeys(kill or Target)]
    try:
        plan = make_plan(keys, parts, times=times, seed=seed, at=_phase(at))
    except ValueError as exc:
        raise typer.BadParameter(f"{at}: {exc}.", param_hint="--at") from None
    commands = _commands(env_file)
    _check(project, plan, commands, asked=bool(kill))
    typer.echo(f"plan of {len(plan)} kills, seed {seed}:")
    for each in plan:
        typer.echo(each.line())
    if dry_run:
        return
    given = flags(
        env_file=env_file, mode=mode, agent=agent, agent_command=agent_command, vm_templates_path=vm_templates_path
    )
    _conclude(_run(project, plan, [str(folder), *given], commands))


def _keys(project: Project, folder: Path, words: str) -> list[str]:
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.scenario.find import find_scenarios
    from pytest_2501bench.scenario.load import load_scenario
    from pytest_2501bench.scenario.select import select

    validators = {name: rule_type.model for name, rule_type in project.rule_types.items()}
    known = []
    for file in find_scenarios(folder):
        try:
            loaded = load_scenario(file, validators=validators, root=Path.cwd())
        except BenchError as exc:
            # The sessions would not start: pytest collects all of them.
            raise typer.BadParameter(str(exc), param_hint="-p") from None
        known.append((loaded.scenario.key, loaded.scenario.tags))
    return sorted(select(known, words, option="-s"))


def _phase(word: str) -> Phase | None:
    from pytest_2501bench.chaos.plan import PHASES

    known = {phase.value: phase for phases in PHASES.values() for phase in phases}
    if word == "random":
        return None
    if word not in known:
        import difflib

        near = difflib.get_close_matches(word, [*known, "random"], 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        what = f"{word}: no such phase.{hint} Choose random or {', '.join(known)}."
        raise typer.BadParameter(what, param_hint="--at")
    return known[word]


def _commands(env_file: Path | None) -> dict[str, str]:
    from dotenv import dotenv_values

    filed = dotenv_values(env_file) if env_file is not None else {}
    found = {**{name: value or "" for name, value in filed.items()}, **os.environ}
    return {name: value for name, value in found.items() if name.endswith(_SUFFIXES) and value}


def _check(project: Project, plan: tuple[Kill, ...], commands: dict[str, str], *, asked: bool) -> None:
    from pytest_2501bench.chaos.parts import obstacle

    provider = project.provider(project.settings.mode)
    for part in dict.fromkeys(each.part for each in plan):
        why = obstacle(part, project.settings, provider, commands)
        if why is not None:
            instead = "" if asked else " Or name the parts that can be: --kill PART."
            raise typer.BadParameter(f"{part}: {why}.{instead}", param_hint="--kill")


def _run(project: Project, plan: tuple[Kill, ...], arguments: list[str], commands: dict[str, str]) -> list[Judgement]:
    from pytest_2501bench.chaos.disturb import KILLS_FILE, Disturber, note
    from pytest_2501bench.interrupt import terminated_like_interrupted

    settings = project.settings
    target = settings.bench_dir.absolute() / FOLDER / time.strftime("%Y%m%dT%H%M%S")
    disturber = Disturber(arguments, target, settings, project.provider(settings.mode), commands)
    judgements: list[Judgement] = []
    typer.echo(f"output of each session: {target}")
    with terminated_like_interrupted():
        usual = {}
        for number, key in enumerate(dict.fromkeys(each.key for each in plan), start=1):
            usual[key] = disturber.usual(key, number)
            typer.echo(f"undisturbed, {key}: {usual[key].verdict}, in {usual[key].seconds:.1f} s")
        for each in plan:
            done = disturber.disturbed(each, usual[each.key])
            judgements.append(done)
            note(target / KILLS_FILE, done)
            left = f" left behind: {', '.join(done.left)}" if done.left else ""
            typer.echo(f"{each.line()}  {done.outcome:9}  {done.seconds:5.1f} s  {done.reason}{left}".rstrip())
    return judgements


def _conclude(judgements: list[Judgement]) -> None:
    from pytest_2501bench.chaos.judge import table

    for line in table(judgements):
        typer.echo(line)
    if any(each.bad for each in judgements):
        raise typer.Exit(1)
