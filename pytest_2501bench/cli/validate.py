"""``2501bench validate``: check scenario files without running them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.parameters import ScenariosPath
from pytest_2501bench.cli.sync import BenchDir

if TYPE_CHECKING:
    from pytest_2501bench.playbooks.run import AnsibleRunner
    from pytest_2501bench.scenario.model import LoadedScenario


@dataclass(frozen=True, slots=True)
class Remark:
    """One line about a scenario."""

    line: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """A scenario that was looked at."""

    remarks: tuple[Remark, ...]
    loaded: LoadedScenario | None  # None: its file breaks the contract


def validate(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH|RUN…",
            help="Scenario folders, or folders that hold some; or past runs: run_…, a benchmark (last, bmk_…), "
            "conditions (main-engine=a).",
        ),
    ],
    *,
    path: ScenariosPath = None,
    bench_dir: BenchDir = Path(".2501bench"),
    syntax: Annotated[
        bool, typer.Option("--syntax/--no-syntax", help="Let Ansible check each playbook, about a second each.")
    ] = True,
) -> None:
    """Check scenarios: the contract, checks that cannot fail or pass, playbooks. Exit status 1 if there is an error.

    Of past runs: score them again from their evidence with today's rules, and say what is different.
    """
    paths = [Path(word) for word in what if Path(word).exists()]
    if not paths:
        from pytest_2501bench.cli.rescore import rescore

        rescore(what, path, bench_dir)
        return
    if len(paths) < len(what):
        lacking = next(word for word in what if not Path(word).exists())
        raise typer.BadParameter(f"{lacking}: no such file or folder.", param_hint="PATH|RUN…")
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.playbooks.run import AnsibleRunner
    from pytest_2501bench.scenario.find import check_unique_keys, find_scenarios

    runner = AnsibleRunner()
    loaded = []
    count = errors = 0
    try:
        for file in (file for path in paths for file in find_scenarios(path)):
            looked = look(file, runner if syntax else None)
            count += 1
            errors += _tell(looked.remarks)
            if looked.loaded is not None:
                loaded.append(looked.loaded)
        try:
            check_unique_keys(loaded, root=Path.cwd())
        except BenchError as exc:
            errors += _tell([Remark(exc.message, is_error=True)])
    finally:
        runner.close()
    typer.echo(f"{count} scenario{'s' * (count != 1)} checked, {errors} error{'s' * (errors != 1)}.")
    if errors or not count:
        raise typer.Exit(1)


def _tell(remarks: tuple[Remark, ...] | list[Remark]) -> int:
    """Print *remarks*; return how many are errors."""
    for remark in remarks:
        typer.echo(remark.line)
    return sum(remark.is_error for remark in remarks)


def look(file: Path, runner: AnsibleRunner | None) -> Looked:
    """Look at one ``scenario.json`` and, with a *runner*, at the syntax of its playbooks."""
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.scenario.load import load_scenario

    try:
        loaded = load_scenario(file, root=Path.cwd())
    except BenchError as exc:
        return Looked((Remark(exc.message, is_error=True),), None)
    return Looked(tuple(_remarks(file, loaded, runner)), loaded)


def _remarks(file: Path, loaded: LoadedScenario, runner: AnsibleRunner | None) -> Iterator[Remark]:
    from pytest_2501bench.scenario.lint import Severity, lint
    from pytest_2501bench.scenario.load import migration_hint

    if loaded.migrated:
        yield Remark(migration_hint(file, root=Path.cwd()))
    for finding in lint(loaded, root=Path.cwd()):
        yield Remark(str(finding), finding.severity is Severity.ERROR)
    for name in ("prepare", "validate", "restore", "solve") if runner is not None else ():
        playbook = loaded.playbook(name)
        problem = runner.syntax_check(playbook, loaded.inventory) if runner is not None and playbook else None
        if problem:
            yield Remark(problem, is_error=True)
