"""``2501bench hosts``: the machines of ``--mode host``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.sync import BenchDir

if TYPE_CHECKING:
    from pytest_2501bench.sandbox.host import HostProvider
    from pytest_2501bench.scenario.model import LoadedScenario

app = typer.Typer(help="The machines of --mode host, in the results database.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="Names or ids; all hosts by default.", show_default=False)]


def _provider(bench_dir: Path) -> HostProvider:
    from pytest_2501bench.sandbox.host import HostProvider
    from pytest_2501bench.sandbox.namespace import default_cache_dir
    from pytest_2501bench.store.repository import Store

    def open_store() -> Store:
        bench_dir.mkdir(parents=True, exist_ok=True)
        return Store.open(os.environ.get("DATABASE_URL") or None, bench_dir)

    org_id = os.environ.get("ORG_ID") or None
    return HostProvider(open_store, default_cache_dir(), org_id=org_id, bench_dir=bench_dir)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Its name, as playbooks and scenarios call it.")],
    *,
    address: Annotated[str | None, typer.Option(help="Where it is; its name by default.")] = None,
    user: Annotated[str | None, typer.Option(help="Who logs in; this user by default.", show_default=False)] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Private key; the first one in ~/.ssh by default.", show_default=False)
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="SSH port.")] = 22,
    identity: Annotated[
        str | None, typer.Option("--id", help="hst_…; by default made of organization and name.", show_default=False)
    ] = None,
    python: Annotated[str, typer.Option(help="Its Python, for Ansible.")] = "/usr/bin/python3",
    proxy_command: Annotated[
        str | None, typer.Option(help="Program that connects to it, as ssh's ProxyCommand.", show_default=False)
    ] = None,
    known_hosts: Annotated[
        Path | None, typer.Option(help="known_hosts file that has its host key; else it is asked for it.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept-host-key", help="Take the host key that it shows, without a question.")
    ] = False,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Register a host with its host key, look at it, and print its id. The same name again replaces what was said."""
    from pytest_2501bench.sandbox.host.check import check
    from pytest_2501bench.sandbox.host.register import Wanted, host_to_register

    provider = _provider(bench_dir)
    host = host_to_register(
        provider,
        Wanted(name, address or name, user, key_file, port, identity, python, proxy_command, known_hosts),
        lambda shown: accept or _confirmed(shown),
        lambda line: typer.echo(line, err=True),
    )
    provider.store.enrol_host(host)
    typer.echo(host.host_id)
    for line in check(provider, provider.store.host(host.host_id) or host).lines():
        typer.echo(line, err=True)


def _confirmed(shown: str) -> bool:
    if not sys.stdin.isatty():
        return False
    return typer.confirm(f"{shown}\nIs this its host key?", err=True)


@app.command("list")
def list_(bench_dir: BenchDir = Path(".2501bench")) -> None:
    """List the hosts: id, name, address, and whether each is free."""
    from pytest_2501bench.sandbox.host.check import in_use, title
    from pytest_2501bench.sandbox.host.hold import told

    provider = _provider(bench_dir)
    used = in_use(provider)
    for host in provider.hosts():
        state = f"in use by {told(used[host.host_id])}" if host.host_id in used else "free"
        typer.echo(f"{title(host)}: {f'in quarantine: {host.quarantine}' if host.quarantine else state}")


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(help="Names or ids.")], bench_dir: BenchDir = Path(".2501bench")
) -> None:
    """Forget hosts and their agents. The machines are not touched; one that a run uses is refused."""
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.sandbox.host.check import chosen, in_use
    from pytest_2501bench.sandbox.host.hold import told

    provider = _provider(bench_dir)
    hosts = chosen(provider, names)
    used = in_use(provider)
    for host in hosts:
        if host.host_id in used:
            what = f"host {host.host_name} is in use by {told(used[host.host_id])}."
            raise BenchError(Cause.OPTION_INVALID, what, remedy="Wait until its run is over.")
    for host in hosts:
        provider.store.remove_host(host.host_id)
        typer.echo(f"removed {host.host_name} ({host.host_id})")


@app.command()
def check(
    names: Names = None,
    restore: Annotated[
        str | None, typer.Option(metavar="KEY", help="First play the restore.yml of this scenario.")
    ] = None,
    scenarios: Annotated[Path, typer.Option("--scenarios-dir", "-p", help="Where scenarios are.")] = Path("scenarios"),
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Connect to hosts, verify their keys, say what they can do, and end the quarantine of those that are well.

    Exit status 1 if one is not.
    """
    from pytest_2501bench.sandbox.host.check import check as look_at
    from pytest_2501bench.sandbox.host.check import chosen
    from pytest_2501bench.sandbox.host.check import restore as put_back
    from pytest_2501bench.scenario.resolve import host_specs

    provider = _provider(bench_dir)
    words = list(names or ())
    chosen(provider, words)  # a name that is wrong is told before anything is done
    if restore is not None:
        loaded = _scenario(scenarios, restore)
        log = bench_dir / "hosts" / f"restore-{time.strftime('%Y%m%d-%H%M%S')}.log"
        put_back(provider, loaded, log, typer.echo)
        typer.echo(f"{restore}: restore.yml ended well")
        words = words or [spec.host_id or spec.host_name for spec in host_specs(loaded, mode_is_fresh=False)]
    hosts = chosen(provider, words)
    if not hosts:
        typer.echo("no host is registered: `2501bench hosts add`, or pytest --hosts INVENTORY.")
        raise typer.Exit(1)
    checked = [look_at(provider, host) for host in hosts]
    for one in checked:
        for line in one.lines():
            typer.echo(line)
    if not all(one.well for one in checked):
        raise typer.Exit(1)


def _scenario(folder: Path, key: str) -> LoadedScenario:
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.scenario.find import find_scenarios
    from pytest_2501bench.scenario.load import load_scenario
    from pytest_2501bench.scenario.problems import suggestion

    if not folder.is_dir():
        raise BenchError(Cause.OPTION_INVALID, f"--scenarios-dir {folder}: no such folder.")
    loaded = {one.scenario.key: one for one in map(load_scenario, find_scenarios(folder))}
    if key not in loaded:
        hint = suggestion(key, loaded, noun="There are")
        raise BenchError(
            Cause.OPTION_INVALID, f"--restore {key}: no scenario in {folder} has this key. {hint}".rstrip()
        )
    return loaded[key]


@app.command()
def release(sandbox: Annotated[str, typer.Argument(help="sbx_…")], bench_dir: BenchDir = Path(".2501bench")) -> None:
    """Let go the hosts that were kept after a run, as they are. Harmless when repeated."""
    from pytest_2501bench.sandbox.protocol import Sandbox

    _provider(bench_dir).destroy(Sandbox(sandbox, ()))
    typer.echo(f"released {sandbox}")
