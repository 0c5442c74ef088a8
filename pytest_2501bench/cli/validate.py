"""``2501bench validate``: check scenario files without running them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.parameters import ScenariosPath
from pytest_2501bench.cli.sync import BenchDir

if TYPE_CHECKING:
    from pytest_2501bench.scenario.lint import Finding
    from pytest_2501bench.scenario.model import LoadedScenario

_OF_LINT = ("--select", "--ignore", "--strict", "--json", "--sarif")


@dataclass
class Looked:
    """What was looked at, and what was found.

    Attributes:
        files: the scenario.json files.
        loaded: those that keep the contract.
        found: in the order of the files.
    """

    files: list[Path] = field(default_factory=list)
    loaded: list[LoadedScenario] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)


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
    select: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="CODES", help="Only these, e.g. SC301,SC4 or never-fails. May be repeated."),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="CODES", help="Not these. May be repeated.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 1 for warnings, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    sarif: Annotated[
        str | None, typer.Option("--sarif", metavar="FILE|-", help="Write the findings as SARIF 2.1.0; - prints them.")
    ] = None,
) -> None:
    """Check scenarios: contract, ticket, checks that cannot fail or pass, playbooks, secrets. See docs/linting.md.

    Exit status 1 if there is an error (with --strict: or a warning), or no scenario. Of past runs: score them again
    from their evidence with today's rules, and say what is different.
    """
    paths = [Path(word) for word in what if Path(word).exists()]
    if not paths:
        _refuse_for_runs(select, ignore, strict, as_json, sarif)
        from pytest_2501bench.cli.rescore import rescore

        rescore(what, path, bench_dir)
        return
    if len(paths) < len(what):
        lacking = next(word for word in what if not Path(word).exists())
        raise typer.BadParameter(f"{lacking}: no such file or folder.", param_hint="PATH|RUN…")
    if as_json and sarif == "-":
        raise typer.BadParameter("--json prints to the same place; give --sarif a file.", param_hint="--sarif")
    from pytest_2501bench.scenario.lint.registry import CODES

    selected = _codes(select, "--select") if select else frozenset(CODES)
    wanted = selected - _codes(ignore or (), "--ignore")
    looked = look(paths, syntax=syntax and "SC408" in wanted)
    found = [finding for finding in looked.found if finding.code in wanted]
    _tell(looked, found, as_json, sarif)
    failing = ("error", "warning") if strict else ("error",)
    if not looked.files or any(finding.severity in failing for finding in found):
        raise typer.Exit(1)


def look(paths: Iterable[Path], *, syntax: bool) -> Looked:
    """Look at every scenario below *paths*; with *syntax* let Ansible read their playbooks too."""
    from pytest_2501bench.scenario.find import find_scenarios
    from pytest_2501bench.scenario.lint import examine
    from pytest_2501bench.scenario.lint.examine import same_keys

    looked, root = Looked(), Path.cwd()
    looked.files = list(dict.fromkeys(file for path in paths for file in find_scenarios(path)))
    for file in looked.files:
        found, loaded = examine(file, root=root)
        looked.found += found
        if loaded is not None:
            looked.loaded.append(loaded)
    looked.found += same_keys(looked.loaded, root=root)
    if syntax:
        looked.found += _syntax(looked.loaded, root)
    return looked


def _syntax(loaded: Iterable[LoadedScenario], root: Path) -> Iterable[Finding]:
    from pytest_2501bench.playbooks.run import AnsibleRunner
    from pytest_2501bench.scenario.lint.examine import refused_by_ansible

    runner = AnsibleRunner()
    try:
        for scenario in loaded:
            for playbook in scenario.playbooks():
                if said := runner.syntax_check(playbook, scenario.inventory):
                    yield refused_by_ansible(scenario, playbook, said, root=root)
    finally:
        runner.close()


def _tell(looked: Looked, found: list[Finding], as_json: bool, sarif: str | None) -> None:
    from pytest_2501bench.scenario.find import FILE_NAME
    from pytest_2501bench.scenario.lint import output
    from pytest_2501bench.scenario.load import migration_hint

    if sarif not in (None, "-"):
        try:
            Path(str(sarif)).write_text(output.as_sarif(found) + "\n", encoding="utf-8")
        except OSError as error:
            raise typer.BadParameter(f"{sarif}: {error.strerror}.", param_hint="--sarif") from error
    if as_json:
        typer.echo(output.as_json(len(looked.files), found))
    elif sarif == "-":
        typer.echo(output.as_sarif(found))
    else:
        for finding in found:
            typer.echo(str(finding))
        if any(finding.code == "SC008" for finding in found):
            for scenario in (scenario for scenario in looked.loaded if scenario.migrated):
                typer.echo(migration_hint(scenario.directory / FILE_NAME, root=Path.cwd()))
        typer.echo(output.summary(len(looked.files), found))


def _codes(words: Iterable[str], option: str) -> frozenset[str]:
    from pytest_2501bench.scenario.lint.registry import UnknownCodeError, codes_of

    try:
        return codes_of(part.strip() for word in words for part in word.split(",") if part.strip())
    except UnknownCodeError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _refuse_for_runs(*given: object) -> None:
    for value, option in zip(given, _OF_LINT, strict=True):
        if value:
            said = "is for scenario folders; what was named are past runs (there is no such file or folder)."
            raise typer.BadParameter(f"{option} {said}", param_hint=option)
