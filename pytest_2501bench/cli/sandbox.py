"""``2501bench sandbox``: images and sandboxes of this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pytest_2501bench.sandbox.namespace import NamespaceProvider

app = typer.Typer(help="Images and sandboxes of this machine (mode namespace).", no_args_is_help=True)


def _provider(mirror: str | None = None) -> NamespaceProvider:
    from pytest_2501bench.sandbox.namespace import NamespaceProvider

    return NamespaceProvider(mirror=mirror)


@app.command()
def check() -> None:
    """Say whether this machine can make sandboxes, and what they can do. Exit status 1 if it cannot."""
    provider = _provider()
    obstacles = provider.preflight()
    for obstacle in obstacles:
        typer.echo(f"{obstacle.what}. {obstacle.remedy}")
    if obstacles:
        raise typer.Exit(1)
    capabilities = provider.capabilities("debian-base")
    typer.echo(f"mode namespace works here; capabilities: {', '.join(sorted(capabilities.names)) or 'none'}")
    for word, reason in sorted(capabilities.missing.items()):
        typer.echo(f"no {word}: {reason}")


@app.command()
def build(
    package: Annotated[list[str] | None, typer.Option(help="Also a layer with these Debian packages.")] = None,
    mirror: Annotated[str | None, typer.Option("--bench-mirror", help="Debian mirror to use.")] = None,
) -> None:
    """Build the base root filesystem, once; does nothing when it is there."""
    from pytest_2501bench.sandbox.protocol import HostSpec

    _provider(mirror).prepare_images([HostSpec("build", packages=tuple(sorted(set(package or ()))))], typer.echo)


@app.command("list")
def list_() -> None:
    """List the sandboxes of this machine's user, with the command that removes each."""
    for owned in _provider().list_owned():
        owner = f"process {owned.owner_pid}" if owned.owner_alive else f"dead (was process {owned.owner_pid})"
        age = (time.time() - owned.created_at) / 60
        typer.echo(f"{owned.name}  {age:.0f} min old, owner {owner}  {owned.remove}")


@app.command("purge-vms")
def purge(
    images: Annotated[bool, typer.Option(help="Also remove root filesystems and package layers.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also sandboxes of sessions that still run.")] = False,
) -> None:
    """Remove sandboxes whose session is gone."""
    provider = _provider()
    if images:
        provider.remove_everything(living=everything)
        typer.echo("sandboxes, root filesystems and package layers are removed.")
        return
    removed = provider.reap()
    if everything:
        from pytest_2501bench.sandbox.protocol import Sandbox

        for owned in provider.list_owned():
            provider.destroy(Sandbox(owned.name, ()))
            removed.append(owned.name)
    typer.echo("\n".join(f"removed {name}" for name in removed) or "nothing to remove.")
