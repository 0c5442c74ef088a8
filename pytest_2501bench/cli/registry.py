"""``2501bench registry``: the identities that ORG_ID, TENANT_ID and USER_ID may name."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pytest_2501bench.cli.sync import BenchDir

app = typer.Typer(help="Tenants, organizations and users of the results database.", no_args_is_help=True)


class Kind(StrEnum):
    """What may be registered."""

    TENANT = "tenant"
    ORGANIZATION = "organization"
    USER = "user"


@app.command()
def add(
    kind: Annotated[Kind, typer.Argument(help="What to add.")],
    name: Annotated[str, typer.Argument(help="Its name, for people.")],
    identity: Annotated[str | None, typer.Option("--id", help="Its id, e.g. org_…; a new one by default.")] = None,
    parent: Annotated[
        str | None, typer.Option(help="The organization's tenant, or the user's organization, by id.")
    ] = None,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Add a tenant, an organization or a user, and print its id."""
    from pytest_2501bench.store.repository import Store

    bench_dir.mkdir(parents=True, exist_ok=True)
    with Store.open(os.environ.get("DATABASE_URL") or None, bench_dir) as store:
        if kind is Kind.TENANT:
            added = store.add_tenant(name, tenant_id=identity)
        elif kind is Kind.ORGANIZATION:
            added = store.add_organization(name, org_id=identity, tenant_id=parent)
        else:
            added = store.add_user(name, user_id=identity, org_id=parent)
    typer.echo(added.id)


@app.command("list")
def list_(bench_dir: BenchDir = Path(".2501bench")) -> None:
    """List what there is."""
    from pytest_2501bench.store.repository import Store

    with Store.open(os.environ.get("DATABASE_URL") or None, bench_dir) as store:
        for variable, found in store.identities().items():
            for one in found:
                of = f"  of {one.parent_id}" if one.parent_id else ""
                typer.echo(f"{variable:<10} {one.id}  {one.name}{of}")
        for host in store.hosts():
            typer.echo(f"{'host':<10} {host.host_id}  {host.host_name}  mode {host.mode}")
        for agent in store.agents():
            typer.echo(f"{'agent':<10} {agent.agent_id}  {agent.agent_name}  on {agent.host_id}")
