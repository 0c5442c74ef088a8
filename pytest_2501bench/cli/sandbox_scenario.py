"""``2501bench sandbox prepare|validate|restore``: a scenario's hosts, broken and waiting for a person."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.parameters import (
    BenchDir,
    EnvFile,
    Hosts,
    IncusRemote,
    IncusVm,
    Mode,
    ScenariosPath,
    Templates,
)

if TYPE_CHECKING:
    from pytest_2501bench.cli.project import Project
    from pytest_2501bench.keeping import Entry

Key = Annotated[str, typer.Option("-s", "--scenario", metavar="KEY", help="The scenario's key, or a tag of only one.")]
WhichKey = Annotated[
    str | None, typer.Option("-s", "--scenario", metavar="KEY", help="The sandbox of the scenario with this key.")
]
WhichName = Annotated[
    str | None, typer.Option("-n", "--name", metavar="NAME", help="The sandbox of this name; see `sandbox list`.")
]
WhichMode = Annotated[str | None, typer.Option("-m", "--mode", metavar="MODE", help="Only sandboxes of this mode.")]


def prepare(
    *,
    scenario: Key,
    mode: Mode = None,
    path: ScenariosPath = None,
    hosts: Hosts = None,
    incus_remote: IncusRemote = None,
    incus_vm: IncusVm = False,
    vm_templates_path: Templates = None,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Make a scenario's hosts, bring the incident in, and leave them up for you.

    Prints how to log in, the ticket, how to have your repair checked, and how to remove everything. restore.yml (its
    errors do not count) and prepare.yml are played as in a run, but no agent is asked and nothing is scored. If
    prepare.yml fails, and after Ctrl-C, nothing is left.
    """
    from pytest_2501bench.cli.kept import removal
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.cli.scenarios import one_scenario, scenarios_folder
    from pytest_2501bench.cli.staging import check, stage
    from pytest_2501bench.interrupt import terminated_like_interrupted
    from pytest_2501bench.keeping import Book, command

    project = open_project(
        mode=mode,
        hosts=hosts,
        incus_remote=incus_remote,
        incus_vm=incus_vm,
        vm_templates_path=vm_templates_path,
        bench_dir=bench_dir,
        env_file=env_file,
    )
    rules = {name: rule.model for name, rule in project.rule_types.items()}
    loaded = one_scenario(scenarios_folder(path), scenario, rules)
    book = Book(project.settings.bench_dir)
    with project.session(project.settings.mode) as bench, terminated_like_interrupted():
        check(bench, book, loaded)
        entry = stage(bench, book, loaded, lambda line: typer.echo(line, err=True))
    if loaded.playbook("validate") is not None:
        validation = command(project.settings, "sandbox", "validate", "-s", loaded.scenario.key)
    else:
        validation = "– (no validate.yml: the agent's report decides)"
    typer.echo(f"{entry.key} is broken and waiting: sandbox {entry.name}, mode {entry.mode}.\n")
    for host, enter in zip(entry.host_names, book.enter(entry), strict=True):
        typer.echo(f"  {'enter':<10}{enter}" if len(entry.host_names) == 1 else f"  {host:<10}{enter}")
    typer.echo(f"  {'record':<10}{command(project.settings, 'sandbox', 'enter', '-s', loaded.scenario.key)}")
    typer.echo(f"  {'validate':<10}{validation}")
    typer.echo(f"  {'remove':<10}{removal(entry, project.settings)}")
    typer.echo(f"\n{loaded.scenario.ticket_title}\n")
    for paragraph in loaded.scenario.ticket_body.splitlines():
        typer.echo(textwrap.fill(paragraph, 100, initial_indent="  ", subsequent_indent="  "))


def validate(
    *,
    scenario: WhichKey = None,
    name: WhichName = None,
    mode: WhichMode = None,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Play validate.yml now, on a sandbox that was prepared or kept, and say green or red.

    May be repeated as often as you like. Exit status 0: green; 1: red, or no verdict could be reached.
    """
    from pytest_2501bench.cli.kept import still_there
    from pytest_2501bench.cli.staging import play, scenario_of
    from pytest_2501bench.errors import BenchError, Cause, Phase
    from pytest_2501bench.evidence.model import PlaybookStatus
    from pytest_2501bench.interrupt import terminated_like_interrupted
    from pytest_2501bench.keeping import Book
    from pytest_2501bench.phases import explain

    project, entry = found(
        "sandbox validate", key=scenario, name=name, mode=mode, bench_dir=bench_dir, env_file=env_file
    )
    book = Book(project.settings.bench_dir)
    with project.session(entry.mode) as bench, terminated_like_interrupted():
        sandbox = still_there(book, entry, bench.provider)
        record = play(
            bench, scenario_of(bench, entry), sandbox.hosts, "validate", phase=Phase.VALIDATE, logs=book.folder
        )
    if record is None:
        raise BenchError(Cause.OPTION_INVALID, f"{entry.key}: has no validate.yml; the agent's report decides.")
    log = book.folder / (record.log or "")
    if record.status is PlaybookStatus.OK:
        typer.echo(f"green: every task of {record.name} holds on {', '.join(entry.host_names)}.")
    elif record.status is PlaybookStatus.TASK_FAILED:
        typer.echo(f"red: {explain(record)}\n     log: {log}")
        raise typer.Exit(1)
    else:
        raise BenchError(Cause.VALIDATE_BROKEN, f"no verdict: {explain(record)}", log=log)


def restore(
    *,
    scenario: WhichKey = None,
    name: WhichName = None,
    mode: WhichMode = None,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Remove a sandbox that was prepared or kept; in mode host, put its hosts back with restore.yml.

    A registered host whose restore.yml fails stays in quarantine, and the exit status is 1.
    """
    from pytest_2501bench.cli.staging import is_fresh, put_back
    from pytest_2501bench.interrupt import terminated_like_interrupted
    from pytest_2501bench.keeping import Book

    project, entry = found(
        "sandbox restore", key=scenario, name=name, mode=mode, bench_dir=bench_dir, env_file=env_file
    )
    book = Book(project.settings.bench_dir)
    with project.session(entry.mode) as bench, terminated_like_interrupted():
        sandbox = bench.provider.find(entry.name)
        if sandbox is None:
            said = f"sandbox {entry.name} was gone already ({entry.what})."
        elif is_fresh(bench.provider):
            bench.provider.destroy(sandbox)
            said = f"removed sandbox {entry.name} ({entry.what})."
        else:
            put_back(bench, book, entry, sandbox)
            said = f"put back by restore.yml: {', '.join(entry.host_names)} ({entry.what})."
        book.forget(entry.name)
    typer.echo(said)


def found(
    verb: str,
    *,
    key: str | None,
    name: str | None,
    mode: str | None,
    bench_dir: Path | None,
    env_file: Path | None,
) -> tuple[Project, Entry]:
    """Return the sandbox that was prepared or kept and that a command line means.

    Raises:
        BenchError: ``option_invalid``: none, or several; messages begin with *verb*.
    """
    from pytest_2501bench.cli.kept import pick
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.keeping import Book

    if key is None and name is None:
        raise BenchError(Cause.OPTION_INVALID, f"{verb}: needs -s KEY or -n NAME; see `sandbox list`.")
    project = open_project(check_mode=False, bench_dir=bench_dir, env_file=env_file)
    entry = pick(
        [each for each in Book(project.settings.bench_dir).entries() if each.key is not None],
        [("-s", key), ("-n", name), ("-m", mode)],
        lambda each: key in (None, each.key) and name in (None, each.name) and mode in (None, each.mode),
        "`2501bench sandbox list` shows all, `2501bench sandbox prepare` makes one.",
    )
    return project, entry
