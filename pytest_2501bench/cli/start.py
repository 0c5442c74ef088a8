"""``2501bench start``: the vendor's command line and exit statuses, with pytest underneath."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pytest_2501bench.cli.parameters import BenchDir, EnvFile, Hosts, IncusRemote, IncusVm, Mode, Templates

_AFTER = "bench2501.pytest_arguments"


class Source(StrEnum):
    """Which state of the scenario files counts."""

    FS = "fs"
    GIT = "git"


class StartCommand(TyperCommand):
    """Lets ``--parallel`` stand without a number, and takes what follows ``--`` for pytest."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse *args*; what is pytest's goes to the context."""
        mine, theirs = args, []
        if "--" in args:
            end = args.index("--")
            mine, theirs = args[:end], args[end + 1 :]
        ctx.meta[_AFTER] = theirs
        expanded: list[str] = []
        for number, word in enumerate(mine):
            alone = word == "--parallel" and (number + 1 == len(mine) or mine[number + 1].startswith("-"))
            expanded.append(f"{word}=auto" if alone else word)
        return super().parse_args(ctx, expanded)


def _parallel(text: str) -> str:
    if text == "auto" or (text.isascii() and text.isdigit() and int(text) > 0):
        return text
    raise typer.BadParameter(f"{text}: must be a number above 0, or nothing: as many as memory allows.")


def start(
    context: typer.Context,
    *,
    scenarios: Annotated[
        str | None,
        typer.Option("-s", "--scenarios", metavar="KEY|TAG[,…]", help="Only these keys and tags, freely mixed."),
    ] = None,
    mode: Mode = None,
    gateway: Annotated[
        str | None, typer.Option("-g", "--gateway", metavar="NAME", help="The path of tickets. Default: runner.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option("-i", "--iter", "--iterations", min=1, metavar="N", help="How often each one runs.")
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "-p",
            "--path",
            metavar="PATH",
            help="Folder with scenarios. Default: scenarios/ in this folder or in the nearest one above it.",
        ),
    ] = None,
    main_engine: Annotated[
        str | None, typer.Option("--main-engine", metavar="MODEL", help="Model key that executes.")
    ] = None,
    secondary_engine: Annotated[
        str | None, typer.Option("--secondary-engine", metavar="MODEL", help="Model key that plans and reviews.")
    ] = None,
    specialty: Annotated[
        str | None, typer.Option("--specialty", metavar="NAME", help="Specialty of the agents, not the scenario's.")
    ] = None,
    matrix: Annotated[
        list[str] | None,
        typer.Option(
            "--matrix",
            metavar="AXIS=VALUE,VALUE",
            help="Each scenario once per value of main-engine, secondary-engine or specialty.",
        ),
    ] = None,
    parallel: Annotated[
        str | None,
        typer.Option(
            "--parallel",
            metavar="[N]",
            parser=_parallel,
            help="Several runs at once: N, or without a number as many as memory allows.",
        ),
    ] = None,
    parallel_ram_cap: Annotated[
        float | None, typer.Option("--parallel-ram-cap", metavar="GB", help="Memory that all sandboxes may need.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="Agent of the local engine: oracle, noop, command.")
    ] = None,
    agent_command: Annotated[
        str | None, typer.Option("--agent-command", metavar="PROGRAM", help="The program that works the tickets.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Pre-flight only: check everything, run nothing.")] = False,
    fail_on_error: Annotated[
        bool, typer.Option("--fail-on-error", help="Exit status 1 also when a scenario failed.")
    ] = False,
    source: Annotated[
        Source, typer.Option("--source", help="fs: the files as they are; git: as they are in the last commit (HEAD).")
    ] = Source.FS,
    keep_sandbox: Annotated[
        str | None,
        typer.Option("--keep-sandbox", metavar="none|failed|all", help="Leave the hosts of these runs up."),
    ] = None,
    hosts: Hosts = None,
    incus_remote: IncusRemote = None,
    incus_vm: IncusVm = False,
    vm_templates_path: Templates = None,
    env_file: EnvFile = None,
    bench_dir: BenchDir = None,
    log_file: Annotated[
        Path | None,
        typer.Option("--log-file", metavar="FILE", help="Also write all output there, with the log of every playbook."),
    ] = None,
    junitxml: Annotated[Path | None, typer.Option("--junitxml", metavar="FILE", help="JUnit report.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="HTML report, in one file.")] = None,
    verbose: Annotated[int, typer.Option("-v", count=True, show_default=False, help="Say more; -vv still more.")] = 0,
) -> None:
    """Run scenarios. This is `pytest scenarios/` with the options and exit statuses of the vendor's runner.

    Whatever follows -- goes to pytest as it is: 2501bench start -s nginx -- -x --lf

    Exit status: 0 everything ran, whether scenarios passed or not; 1 a run was lost to infrastructure, or with
    --fail-on-error a scenario failed; 2 wrong usage, or pre-flight refused, and nothing ran; 130 interrupted.
    """
    from pytest_2501bench.cli.checkout import committed
    from pytest_2501bench.cli.parameters import flags
    from pytest_2501bench.cli.pytest_run import run_pytest
    from pytest_2501bench.cli.scenarios import scenarios_folder
    from pytest_2501bench.interrupt import terminated_like_interrupted

    if verbose > 2:
        raise typer.BadParameter("-v or -vv; there is no more to say.", param_hint="-v")
    folder = scenarios_folder(path)
    arguments = flags(
        env_file=env_file,
        scenarios=scenarios,
        mode=mode,
        gateway=gateway,
        iterations=iterations,
        main_engine=main_engine,
        secondary_engine=secondary_engine,
        specialty=specialty,
        matrix=" ".join(matrix or ()) or None,
        parallel_ram_cap=parallel_ram_cap,
        agent=agent,
        agent_command=agent_command,
        keep_sandbox=keep_sandbox,
        hosts=hosts,
        incus_remote=incus_remote,
        incus_vm=incus_vm,
        vm_templates_path=vm_templates_path,
        bench_dir=bench_dir,
    )
    if check:
        arguments.append("--bench-check")
    elif parallel is not None:
        arguments += ["-n", parallel]
    if junitxml is not None:
        arguments.append(f"--junitxml={junitxml.absolute()}")
    if html is not None:
        arguments += [f"--html={html.absolute()}", "--self-contained-html"]
    if verbose:
        arguments.append("-" + "v" * verbose)
    arguments += _for_pytest(context)
    with terminated_like_interrupted(), contextlib.ExitStack() as stack:
        if source is Source.GIT:
            folder, more = stack.enter_context(committed(folder, bench_dir=bench_dir, env_file=env_file))
            arguments += more
        status = run_pytest(
            [str(folder), *arguments], log_file=log_file and log_file.absolute(), fail_on_error=fail_on_error
        )
    raise typer.Exit(status)


def _for_pytest(context: typer.Context) -> Sequence[str]:
    found = context.meta.get(_AFTER, ())
    return list(found)
