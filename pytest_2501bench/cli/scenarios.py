"""Where the scenarios are, and which one a word means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.scenario.find import find_scenarios
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.model import BUILT_IN_RULES, LoadedScenario, RuleFields
from pytest_2501bench.scenario.select import select

FOLDER = "scenarios"


def scenarios_folder(path: Path | None, here: Path | None = None) -> Path:
    """Return the folder with the scenarios.

    Args:
        path: what ``-p`` says; None: ``scenarios/`` in *here*, or in the nearest folder above it.
        here: the current folder by default.

    Raises:
        BenchError: ``option_invalid``: there is none, or no scenario in it.
    """
    here = (here or Path.cwd()).absolute()
    if path is None:
        found = next((folder / FOLDER for folder in (here, *here.parents) if (folder / FOLDER).is_dir()), None)
        if found is None:
            raise BenchError(
                Cause.OPTION_INVALID,
                f"there is no folder '{FOLDER}' in {here} or above it.",
                remedy="Name the one with your scenarios: -p PATH.",
            )
        path = found
    elif not path.exists():
        raise BenchError(Cause.OPTION_INVALID, f"-p {path}: no such folder.")
    if not find_scenarios(path):
        raise BenchError(
            Cause.OPTION_INVALID,
            f"{path}: there is no scenario.json in it or below it.",
            remedy="Name the folder with your scenarios: -p PATH.",
        )
    return path.absolute()


def one_scenario(
    folder: Path, word: str, validators: Mapping[str, type[RuleFields]], *, option: str = "-s"
) -> LoadedScenario:
    """Return the scenario that *word*, the key of one or a tag of only one, means; messages call it *option*.

    Raises:
        BenchError: ``option_invalid``: none, or several; ``scenario_invalid``: its file breaks the contract.
    """
    loaded: dict[str, LoadedScenario] = {}
    broken = 0
    for file in find_scenarios(folder):
        try:
            scenario = load_scenario(file, validators=validators, root=Path.cwd())
        except BenchError:
            if _says_key(file) == word:
                raise
            broken += 1  # another one's mistakes are not in the way
        else:
            loaded[scenario.scenario.key] = scenario
    try:
        keys = sorted(select(((key, each.scenario.tags) for key, each in loaded.items()), word, option=option))
    except BenchError as exc:
        unread = f" {broken} scenario files cannot be read: 2501bench validate {folder}" if broken else ""
        raise BenchError(exc.cause, f"{exc.message}{unread}") from None
    if len(keys) > 1:
        raise BenchError(
            Cause.OPTION_INVALID,
            f"{option} {word}: means {len(keys)} scenarios: {', '.join(keys)}.",
            remedy="Name one key.",
        )
    return loaded[keys[0]]


def readable(folder: Path) -> tuple[list[LoadedScenario], list[Path]]:
    """Return the scenarios in *folder* and the files that cannot be read, which ``2501bench validate`` explains.

    Plugins are asked for their rule types, which takes a second, only where files need more than the built-in ones.
    """
    loaded, broken = _load(find_scenarios(folder), BUILT_IN_RULES)
    if broken:
        from pytest_2501bench.cli.project import open_project

        rules = {name: rule.model for name, rule in open_project(check_mode=False).rule_types.items()}
        more, broken = _load(broken, rules) if rules else ([], broken)
        loaded += more
    return sorted(loaded, key=lambda each: each.directory), broken


def _load(files: Iterable[Path], validators: Mapping[str, type[RuleFields]]) -> tuple[list[LoadedScenario], list[Path]]:
    loaded, broken = [], []
    for file in files:
        try:
            loaded.append(load_scenario(file, validators=validators, root=Path.cwd()))
        except BenchError:
            broken.append(file)
    return loaded, broken


def _says_key(file: Path) -> object:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return content.get("key") if isinstance(content, dict) else None
