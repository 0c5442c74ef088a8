"""``2501bench sandbox create|delete``: a machine of its own, registered as host and agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pytest_2501bench.cli.parameters import BenchDir, EnvFile, IncusRemote, IncusVm, Mode, Templates

if TYPE_CHECKING:
    from pytest_2501bench.keeping import Entry
    from pytest_2501bench.sandbox.protocol import Host, Sandbox, SandboxProvider
    from pytest_2501bench.store.repository import Store


def create(
    *,
    template: Annotated[str, typer.Option("--template", metavar="T", help="What it is made from, e.g. debian-base.")],
    mode: Mode = None,
    name: Annotated[
        str | None, typer.Option("-n", "--name", metavar="NAME", help="Its host name. Default: the template's name.")
    ] = None,
    specialty: Annotated[
        str, typer.Option("--specialty", metavar="S", help="Specialty of its agent.")
    ] = "SERVICES_MANAGER",
    incus_remote: IncusRemote = None,
    incus_vm: IncusVm = False,
    vm_templates_path: Templates = None,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Make one machine from a template, and register it as a host with an agent in the results database.

    It stays until `sandbox delete`. Scenarios may name it by its host_id and agent_id, and run on it in --mode host.
    """
    from pytest_2501bench.cli.kept import removal
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.interrupt import terminated_like_interrupted
    from pytest_2501bench.keeping import Book
    from pytest_2501bench.sandbox.protocol import HostSpec

    project = open_project(
        mode=mode,
        incus_remote=incus_remote,
        incus_vm=incus_vm,
        vm_templates_path=vm_templates_path,
        bench_dir=bench_dir,
        env_file=env_file,
    )
    host_name = name or template
    book = Book(project.settings.bench_dir)
    with project.session(project.settings.mode) as bench, terminated_like_interrupted():
        _check(bench.provider, template, project.settings.vm_templates_path)
        if any(host.host_name == host_name for host in bench.store.hosts()):
            raise BenchError(
                Cause.OPTION_INVALID,
                f"-n {host_name}: there is a host of this name in {bench.store.target.shown}.",
                remedy="Choose another one with -n NAME.",
            )
        specs = [HostSpec(host_name, template)]
        bench.provider.prepare_images(specs, _say)
        _say(f"making {host_name}")
        sandbox = bench.provider.create(specs, _say)
        try:
            entry = _register(bench.store, bench.provider, sandbox, template, specialty)
            book.add(entry, sandbox.hosts)
            bench.provider.keep(sandbox)  # last: until then a killed process leaves it to the next reaper
        except BaseException:
            book.forget(sandbox.name)
            for host in sandbox.hosts:
                bench.store.remove_host(host.host_id)
            bench.provider.destroy(sandbox)
            raise
    typer.echo(f"{host_name} is up: sandbox {entry.name}, mode {entry.mode}, template {template}.\n")
    typer.echo(f"  {'host_id':<10}{entry.host_ids[0]}")
    typer.echo(f"  {'agent_id':<10}{entry.agent_ids[0]}  ({specialty})")
    typer.echo(f"  {'enter':<10}{book.enter(entry)[0]}")
    typer.echo(f"  {'remove':<10}{removal(entry, project.settings)}")


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _check(provider: SandboxProvider, template: str, more: object) -> None:
    from pathlib import Path

    from pytest_2501bench.cli.staging import is_fresh
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.sandbox.templates import load_templates
    from pytest_2501bench.scenario.problems import nearest

    if not is_fresh(provider):
        raise BenchError(
            Cause.OPTION_INVALID,
            f"--mode {provider.mode}: makes no machines; its hosts are registered.",
            remedy="`2501bench hosts add` registers one; -m incus, lima or namespace makes one.",
        )
    known = load_templates(more if isinstance(more, Path) else None)
    if template not in known:
        near = nearest(template, known)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(known))}."
        raise BenchError(Cause.OPTION_INVALID, f"--template {template}: there is no such template.", remedy=hint)
    obstacles = provider.preflight()
    if obstacles:
        raise BenchError(
            Cause.SANDBOX_UNAVAILABLE, f"--mode {provider.mode}: {obstacles[0].what}.", remedy=obstacles[0].remedy
        )
    lack = provider.capabilities(template).lack(known[template].requires)
    if lack is not None:
        raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"--mode {provider.mode}, template {template}: {lack}.")


def _register(store: Store, provider: SandboxProvider, sandbox: Sandbox, template: str, specialty: str) -> Entry:
    """Store host and agent as those of mode host, which is how scenarios use machines that stay."""
    import time

    from pytest_2501bench.ids import new_id
    from pytest_2501bench.keeping import Entry, Kind
    from pytest_2501bench.store.model import RegisteredAgent, RegisteredHost

    (host,) = sandbox.hosts
    store.register_host(
        RegisteredHost(
            host_id=host.host_id,
            host_name=host.host_name,
            template=template,
            address=host.address,
            ssh_address=host.ssh.address,
            ssh_port=host.ssh.port,
            ssh_user=host.ssh.user,
            ssh_key_file=str(host.ssh.identity_file),
            host_key=_host_keys(host),
            proxy_command=host.ssh.proxy_command,
            python=host.python,
        )
    )
    agent = RegisteredAgent(
        agent_id=new_id("agt"), agent_name=f"{host.host_name}-agent", host_id=host.host_id, specialty_key=specialty
    )
    store.register_agent(agent)
    return Entry(
        name=sandbox.name,
        mode=provider.mode,
        kind=Kind.CREATED,
        created_at=time.time(),
        host_names=(host.host_name,),
        host_ids=(host.host_id,),
        agent_ids=(agent.agent_id,),
        template=template,
    )


def _host_keys(host: Host) -> str | None:
    """Return the public keys that known_hosts has for *host*, one ``type base64`` a line."""
    lines = host.ssh.known_hosts.read_text(encoding="utf-8").splitlines()
    keys = [" ".join(words[1:3]) for line in lines if len(words := line.split()) >= 3 and words[0] == host.ssh.hostname]
    return "\n".join(keys) or None


def delete(
    *,
    template: Annotated[
        str | None, typer.Option("--template", metavar="T", help="The machine that was made from this template.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option("-m", "--mode", metavar="MODE", help="Only machines of this mode.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("-n", "--name", metavar="NAME", help="Its host name, or its sandbox's name.")
    ] = None,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Remove a machine that `sandbox create` made, with its host and agent in the database."""
    from pytest_2501bench.cli.kept import pick
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.interrupt import terminated_like_interrupted
    from pytest_2501bench.keeping import Book, Kind
    from pytest_2501bench.sandbox.protocol import Sandbox

    if template is None and name is None:
        raise BenchError(Cause.OPTION_INVALID, "sandbox delete: needs --template T or -n NAME; see `sandbox list`.")
    project = open_project(check_mode=False, bench_dir=bench_dir, env_file=env_file)
    book = Book(project.settings.bench_dir)
    entry = pick(
        [each for each in book.entries() if each.kind is Kind.CREATED],
        [("--template", template), ("-n", name), ("-m", mode)],
        lambda each: (
            template in (None, each.template)
            and name in (None, each.name, *each.host_names)
            and mode in (None, each.mode)
        ),
        "`2501bench sandbox list` shows all.",
    )
    with project.session(entry.mode) as bench, terminated_like_interrupted():
        bench.provider.destroy(Sandbox(entry.name, ()))
        for host_id in entry.host_ids:
            bench.store.remove_host(host_id)
        book.forget(entry.name)
    typer.echo(f"removed {entry.host_names[0]}: sandbox {entry.name}, host {entry.host_ids[0]}, {entry.agent_ids[0]}.")
