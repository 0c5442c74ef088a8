"""``2501bench validate``: check scenario files without running them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Scenario folders, or folders that hold some.", exists=True)],
    syntax: Annotated[
        bool, typer.Option("--syntax/--no-syntax", help="Let Ansible check each playbook, about a second each.")
    ] = True,
) -> None:
    """Check scenarios: the contract, checks that cannot fail or pass, playbooks. Exit status 1 if there is an error."""
    errors = 0
    count = 0
    for line, is_error in _findings(paths, syntax=syntax):
        if line:
            typer.echo(line)
            errors += is_error
        else:
            count += 1
    typer.echo(f"{count} scenario{'s' * (count != 1)} checked, {errors} error{'s' * (errors != 1)}.")
    if errors or not count:
        raise typer.Exit(1)


def _findings(paths: list[Path], *, syntax: bool) -> Iterator[tuple[str, bool]]:
    """Yield (line, is an error) per finding, and an empty line per scenario that was looked at."""
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.playbooks.run import AnsibleRunner
    from pytest_2501bench.scenario.find import check_unique_keys, find_scenarios
    from pytest_2501bench.scenario.lint import Severity, lint
    from pytest_2501bench.scenario.load import load_scenario, migration_hint

    runner = AnsibleRunner()
    here = Path.cwd()
    loaded = []
    try:
        for file in (file for path in paths for file in find_scenarios(path)):
            yield "", False
            try:
                scenario = load_scenario(file, root=here)
            except BenchError as exc:
                yield exc.message, True
                continue
            loaded.append(scenario)
            if scenario.migrated:
                yield migration_hint(file, root=here), False
            for finding in lint(scenario, root=here):
                yield str(finding), finding.severity is Severity.ERROR
            for name in ("prepare", "validate", "restore", "solve") if syntax else ():
                playbook = scenario.playbook(name)
                problem = runner.syntax_check(playbook, scenario.inventory) if playbook else None
                if problem:
                    yield problem, True
        try:
            check_unique_keys(loaded, root=here)
        except BenchError as exc:
            yield exc.message, True
    finally:
        runner.close()
