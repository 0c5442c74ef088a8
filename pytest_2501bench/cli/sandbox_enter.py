"""``2501bench sandbox enter``: a shell on a host of a sandbox, recorded on its way as an agent's commands are."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.parameters import BenchDir, EnvFile
from pytest_2501bench.cli.sandbox_scenario import WhichKey, WhichMode, WhichName

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_2501bench.keeping import Entry
    from pytest_2501bench.sandbox.protocol import Host, Sandbox, SshSettings

_NO_BASH = 127


def enter(
    host: Annotated[
        str | None, typer.Argument(metavar="[HOST]", help="Needed if the sandbox has several hosts.")
    ] = None,
    *,
    scenario: WhichKey = None,
    name: WhichName = None,
    mode: WhichMode = None,
    command: Annotated[
        str | None, typer.Option("-c", "--command", metavar="LINE", help="Run this line in place of a shell.")
    ] = None,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Open a shell on a host of a sandbox that was prepared or kept, and record what you enter there.

    `2501bench record` makes a draft of solve.yml of it. May be repeated, and done on several hosts, also at once. What
    is typed at password prompts is not recorded. Exit status: that of the line of -c; of a shell, 0.
    """
    from pytest_2501bench.cli.kept import still_there
    from pytest_2501bench.cli.sandbox_scenario import found
    from pytest_2501bench.keeping import Book
    from pytest_2501bench.keeping import command as again

    project, entry = found("sandbox enter", key=scenario, name=name, mode=mode, bench_dir=bench_dir, env_file=env_file)
    book = Book(project.settings.bench_dir)
    with project.session(entry.mode) as bench:
        sandbox = still_there(book, entry, bench.provider)
    status = _recorded(_host(entry, sandbox, host), command, book.recordings(entry.name))
    if command is not None:
        raise typer.Exit(status)
    told = again(project.settings, "record", "-n", entry.name)
    typer.echo(f"recorded; a draft of solve.yml: {told}", err=True)


def _host(entry: Entry, sandbox: Sandbox, wanted: str | None) -> Host:
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.scenario.problems import suggestion

    hosts = {host.host_name: host for host in sandbox.hosts}
    if wanted is None and len(hosts) == 1:
        return next(iter(hosts.values()))
    if wanted is None:
        raise BenchError(
            Cause.OPTION_INVALID, f"sandbox {entry.name} has {len(hosts)} hosts: name one of {', '.join(hosts)}."
        )
    if wanted not in hosts:
        advice = suggestion(wanted, hosts, noun="Its hosts")
        raise BenchError(Cause.OPTION_INVALID, f"sandbox {entry.name}: no host '{wanted}'. {advice}")
    return hosts[wanted]


def _recorded(host: Host, command: str | None, recordings: Path) -> int:
    """Run ssh through a bastion before *host*; return its exit status."""
    from pytest_2501bench.authoring.marked_shell import COMMAND
    from pytest_2501bench.bastion.place import Place
    from pytest_2501bench.bastion.session_bastion import SessionBastion
    from pytest_2501bench.gateway.protocol import HostRegistration

    bastion = SessionBastion(Place())
    try:
        registered = HostRegistration(host.host_id, host.host_name, host.ssh, host.python)
        way = bastion.open([registered], {host.host_name: recordings / host.host_name})
        ssh = _ssh(way.hosts[0].ssh, host.host_name)
        if command is not None:
            return subprocess.run([*ssh, "--", command], check=False).returncode
        if not sys.stdin.isatty():
            return subprocess.run(ssh, check=False).returncode
        status = subprocess.run([*ssh, "-t", "--", COMMAND], check=False).returncode
        # A host without bash: then a plain shell, of which keystrokes are all that is known.
        return subprocess.run([*ssh, "-t"], check=False).returncode if status == _NO_BASH else status
    finally:
        bastion.close()


def _ssh(settings: SshSettings, name: str) -> list[str]:
    options = [word for option, value in settings.options().items() for word in ("-o", f"{option}={value}")]
    return ["ssh", "-F", "/dev/null", *options, name]
