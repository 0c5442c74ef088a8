"""``2501bench sandbox template``: what hosts are made from, in each mode."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.parameters import EnvFile, IncusRemote, IncusVm, Mode, Templates

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from pytest_2501bench.sandbox.protocol import Image, SandboxProvider
    from pytest_2501bench.sandbox.templates import Template

app = typer.Typer(help="Templates: what fresh hosts are made from.", no_args_is_help=True)


def _open(
    mode: str | None, templates: Path | None, remote: str | None, vm: bool, env_file: Path | None
) -> tuple[SandboxProvider, Mapping[str, Template]]:
    """Return the provider and what may be built. Mode host makes nothing, so it stands for namespace here."""
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.sandbox.templates import load_templates

    project = open_project(mode=mode, vm_templates_path=templates, incus_remote=remote, incus_vm=vm, env_file=env_file)
    asked = project.settings
    found = asked.mode
    if found == "host" and asked.sources.get("mode", "default") == "default":
        found = "namespace"
    known = load_templates(asked.vm_templates_path)
    provider = project.provider(found)
    if not provider.capabilities("debian-base").fresh:
        raise BenchError(Cause.OPTION_INVALID, f"--mode {found}: its hosts are registered, not made from templates.")
    return provider, known


def _known(names: Iterable[str], templates: Collection[str]) -> list[str]:
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.sandbox.templates import unknown_template

    for name in names:
        if name not in templates:
            raise BenchError(Cause.OPTION_INVALID, unknown_template(name, templates))
    return list(dict.fromkeys(names))


def _size(image: Image) -> str:
    return "" if image.size is None else f"{image.size / 1e6:.0f} MB"


def _age(image: Image) -> str:
    if image.built_at is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(image.built_at))


@app.command("list")
def list_(
    *,
    mode: Mode = None,
    templates: Templates = None,
    incus_remote: IncusRemote = None,
    incus_vm: IncusVm = False,
    env_file: EnvFile = None,
) -> None:
    """List the templates, whether their hosts work in a mode (default namespace), and what is built."""
    provider, known = _open(mode, templates, incus_remote, incus_vm, env_file)
    images = provider.images()
    typer.echo(f"mode {provider.mode}")
    for name, template in known.items():
        built = [image for image in images if image.template == name and image.current and not image.packages]
        state = "built" if built else "not built"
        lack = provider.capabilities(name).lack(template.requires)
        typer.echo(f"{name:<20} {template.cpus} vCPU {template.ram_gb:g} GB  {lack or state}")
    for image in images:
        state = "" if image.current else "stale"
        packages = f"with {' '.join(image.packages)}" if image.packages else ""
        words = (f"{image.name:<36}", f"{_size(image):>7}", _age(image), image.template, packages, state)
        typer.echo("  " + "  ".join(word for word in words if word))


@app.command()
def build(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Templates to build.")],
    *,
    mode: Mode = None,
    package: Annotated[list[str] | None, typer.Option(help="Also a layer with these Debian packages.")] = None,
    templates: Templates = None,
    incus_remote: IncusRemote = None,
    incus_vm: IncusVm = False,
    env_file: EnvFile = None,
) -> None:
    """Build templates; does nothing for one that is built and current."""
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.sandbox.protocol import HostSpec

    provider, known = _open(mode, templates, incus_remote, incus_vm, env_file)
    wanted = _known(names, known)
    obstacles = provider.preflight()
    if obstacles:
        raise BenchError(
            Cause.SANDBOX_UNAVAILABLE, f"mode {provider.mode}: {obstacles[0].what}.", remedy=obstacles[0].remedy
        )
    for name in wanted:
        lack = provider.capabilities(name).lack(known[name].requires)
        if lack is not None:
            raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"mode {provider.mode}: {lack}.")
        started = time.monotonic()
        provider.prepare_images([HostSpec("build", name, tuple(sorted(set(package or ()))))], typer.echo)
        typer.echo(f"{name} is built ({time.monotonic() - started:.0f} s)")


@app.command()
def delete(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Templates to delete.")] = None,
    *,
    mode: Mode = None,
    stale: Annotated[bool, typer.Option("--stale", help="What no definition describes any more.")] = False,
    templates: Templates = None,
    incus_remote: IncusRemote = None,
    incus_vm: IncusVm = False,
    env_file: EnvFile = None,
) -> None:
    """Delete built templates with their package layers. Exit status 1: one is needed, and stays."""
    from pytest_2501bench.errors import BenchError, Cause

    if not names and not stale:
        raise BenchError(Cause.OPTION_INVALID, "template delete: needs NAME or --stale.")
    provider, known = _open(mode, templates, incus_remote, incus_vm, env_file)
    images = provider.images()
    wanted = _known(names or [], {*known, *(image.template for image in images)})
    chosen = [image for image in images if image.template in wanted or (stale and not image.current)]
    problems = []
    for image in chosen:
        try:
            provider.remove_image(image.name)
        except BenchError as error:
            problems.append(str(error))
            continue
        typer.echo(f"deleted {image.name}")
    if not chosen:
        typer.echo("nothing to delete.")
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
