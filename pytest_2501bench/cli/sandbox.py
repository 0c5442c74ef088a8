"""``2501bench sandbox``: what there is on this machine, in every mode; a scenario's hosts for a person."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli import sandbox_enter, sandbox_machine, sandbox_scenario, template
from pytest_2501bench.cli.parameters import AnyMode, BenchDir, EnvFile, IncusRemote, IncusVm, Mode

if TYPE_CHECKING:
    from pytest_2501bench.cli.project import Project
    from pytest_2501bench.sandbox.protocol import Owned, SandboxProvider

app = typer.Typer(help="Hosts on this machine: look at them, make them, remove them.", no_args_is_help=True)
app.command("prepare", short_help="A scenario's hosts, broken and waiting for you.")(sandbox_scenario.prepare)
app.command("enter", short_help="A shell there, recorded for `2501bench record`.")(sandbox_enter.enter)
app.command("validate", short_help="Is it repaired? Plays validate.yml now.")(sandbox_scenario.validate)
app.command("restore", short_help="Remove or put back what was prepared or kept.")(sandbox_scenario.restore)
app.command("create", short_help="A machine of its own, registered as host and agent.")(sandbox_machine.create)
app.command("delete", short_help="Remove a machine that create made.")(sandbox_machine.delete)
app.add_typer(template.app, name="template")


def _modes(project: Project, mode: str | None) -> Iterator[SandboxProvider]:
    """Yield the providers of all modes, or of *mode*; one that this machine cannot even ask is told, not fatal."""
    from pytest_2501bench.errors import BenchError

    for name in [mode] if mode is not None else sorted(project.modes):
        try:
            yield project.provider(name)
        except BenchError as exc:
            if mode is not None:
                raise
            typer.echo(f"mode {name}: {exc}", err=True)
        except Exception as exc:  # a plugin's fault in one mode must not hide the others
            if mode is not None:
                raise
            typer.echo(f"mode {name}: {type(exc).__name__}: {exc}", err=True)


@app.command("list", short_help="What there is, and how to enter and remove it.")
def list_(*, mode: AnyMode = None, bench_dir: BenchDir = None, env_file: EnvFile = None) -> None:
    """List the sandboxes of this user on this machine: runs in progress, what was kept, and what was left behind."""
    from pytest_2501bench.cli.kept import age, removal
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.keeping import Book

    project = open_project(check_mode=False, mode=mode, bench_dir=bench_dir, env_file=env_file)
    book = Book(project.settings.bench_dir)
    known = {entry.name: entry for entry in book.entries()}
    shown = 0
    for provider in _modes(project, mode):
        try:
            rows = provider.list_owned()
        except BenchError as exc:
            typer.echo(f"mode {provider.mode}: {exc}", err=True)
            continue
        for owned in rows:
            entry = known.get(owned.name)
            typer.echo(
                f"{owned.name}  {provider.mode:<9}  {age(owned.created_at):>7} old  {_owner(owned):<15}  "
                f"{entry.what if entry else _what(owned)}"
            )
            found = provider.find(owned.name)
            enter = book.enter(entry) if entry else (found.enter,) if found and found.enter else ()
            for line in enter:
                typer.echo(f"  enter   {line}")
            typer.echo(f"  remove  {removal(entry, project.settings) if entry else owned.remove}")
            shown += 1
    if not shown:
        typer.echo("no sandboxes.")


def _owner(owned: Owned) -> str:
    if owned.owner_pid == 0:
        return "kept"
    return f"process {owned.owner_pid}" if owned.owner_alive else "dead"


def _what(owned: Owned) -> str:
    if owned.owner_pid == 0:
        return "kept by another project, or with another --bench-dir"
    return "in use" if owned.owner_alive else "left behind; `2501bench sandbox purge-vms` removes it"


@app.command(short_help="Which modes work on this machine?")
def check(
    *,
    mode: Mode = None,
    incus_remote: IncusRemote = None,
    incus_vm: IncusVm = False,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Say whether a mode works on this machine, and what its hosts can do. Exit status 1 if it does not work.

    Where nobody has chosen a mode, all of them are looked at, and one that works is enough.
    """
    from pytest_2501bench.cli.project import open_project

    project = open_project(
        mode=mode, incus_remote=incus_remote, incus_vm=incus_vm, bench_dir=bench_dir, env_file=env_file
    )
    chosen = project.settings.sources.get("mode", "default") != "default"
    works = [_works(provider) for provider in _modes(project, project.settings.mode if chosen else None)]
    if not any(works):
        raise typer.Exit(1)


def _works(provider: SandboxProvider) -> bool:
    """Tell what stands in the way of a mode, or what its hosts can do; return whether it works."""
    from pytest_2501bench.scenario.resolve import DEFAULT_TEMPLATE

    obstacles = provider.preflight()
    for obstacle in obstacles:
        typer.echo(f"mode {provider.mode}: {obstacle.what}. {obstacle.remedy}")
    if obstacles:
        return False
    capabilities = provider.capabilities(DEFAULT_TEMPLATE)
    typer.echo(f"mode {provider.mode} works here; capabilities: {', '.join(sorted(capabilities.names)) or 'none'}")
    for word, reason in sorted(capabilities.missing.items()):
        typer.echo(f"  no {word}: {reason}")
    return True


@app.command(short_help="Build the template debian-base, once.")
def build(
    *,
    mode: Mode = None,
    package: Annotated[list[str] | None, typer.Option(help="Also a layer with these Debian packages.")] = None,
    mirror: Annotated[str | None, typer.Option("--bench-mirror", help="Debian mirror to use.")] = None,
    env_file: EnvFile = None,
) -> None:
    """Build the template debian-base of a mode, once; does nothing when it is there."""
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.sandbox.protocol import HostSpec

    project = open_project(mode=mode, mirror=mirror, env_file=env_file)
    chosen = project.settings.sources.get("mode", "default") != "default"
    provider = project.provider(project.settings.mode if chosen else "namespace")  # mode host has nothing to build
    provider.prepare_images([HostSpec("build", packages=tuple(sorted(set(package or ()))))], typer.echo)


@app.command("purge-vms", short_help="Remove what dead sessions left.")
def purge(
    *,
    mode: AnyMode = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those of sessions that still run, and kept ones. Asks first.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    images: Annotated[bool, typer.Option("--images", help="Also built templates and package layers.")] = False,
    incus_remote: IncusRemote = None,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Remove sandboxes whose session is gone. Templates and kept sandboxes stay.

    Exit status 1: something could not be removed, and is named.
    """
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.errors import BenchError

    project = open_project(
        check_mode=False, mode=mode, incus_remote=incus_remote, bench_dir=bench_dir, env_file=env_file
    )
    removed: list[str] = []
    problems: list[str] = []
    for provider in _modes(project, mode):
        try:
            removed += provider.reap()
            if everything:
                removed += _purge_all(project, provider, sure=yes, problems=problems, named=mode is not None)
            if images:
                removed += _purge_images(provider, living=everything)
        except BenchError as exc:
            problems.append(f"mode {provider.mode}: {exc}")
    typer.echo("\n".join(f"removed {name}" for name in removed) or "nothing to remove.")
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)


def _purge_all(
    project: Project, provider: SandboxProvider, *, sure: bool, problems: list[str], named: bool
) -> list[str]:
    """Remove what living sessions use and what was kept; registered hosts only if their mode was *named*."""
    from pytest_2501bench.cli.staging import is_fresh
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.keeping import Book, Kind
    from pytest_2501bench.sandbox.protocol import Sandbox

    rows = provider.list_owned()
    if not rows or not (named or is_fresh(provider)):
        return []
    book = Book(project.settings.bench_dir)
    known = {entry.name: entry for entry in book.entries()}
    if not sure:
        told = {row.name: known[row.name].what if row.name in known else _owner(row) for row in rows}
        _ask(provider.mode, [f"{name} ({what})" for name, what in told.items()])
    removed = []
    for row in rows:
        try:
            provider.destroy(Sandbox(row.name, ()))
        except BenchError as exc:
            problems.append(str(exc))
            continue
        removed.append(row.name)
        entry = known.get(row.name)
        if entry is not None and entry.kind is Kind.CREATED:
            with project.session(provider.mode) as bench:
                for host_id in entry.host_ids:
                    bench.store.remove_host(host_id)
        book.forget(row.name)
    return removed


def _ask(mode: str, names: Sequence[str]) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is nobody to ask; say --yes.", param_hint="--all")
    for name in names:
        typer.echo(f"  {name}")
    if not typer.confirm(f"Remove these {len(names)} sandboxes of mode {mode}?"):
        raise typer.Exit(1)


def _purge_images(provider: SandboxProvider, *, living: bool) -> list[str]:
    from pytest_2501bench.sandbox.namespace import NamespaceProvider

    removed = []
    for image in provider.images():
        provider.remove_image(image.name)
        removed.append(image.name)
    if isinstance(provider, NamespaceProvider):
        provider.remove_everything(living=living)  # its folders too: `make clean` leaves nothing
    return removed
