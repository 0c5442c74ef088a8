"""``2501bench selfcheck``: scenarios prove themselves; pytest underneath."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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


def selfcheck(
    *,
    scenarios: Annotated[
        str | None,
        typer.Option("-s", "--scenarios", metavar="KEY|TAG[,…]", help="Only these keys and tags, freely mixed."),
    ] = None,
    times: Annotated[int, typer.Option("--times", min=1, metavar="N", help="How often each claim is checked.")] = 1,
    claims: Annotated[
        str | None,
        typer.Option(
            "-k", "--claims", metavar="EXPRESSION", help="Only these claims, as pytest's -k: 'cheat or solve'."
        ),
    ] = None,
    mode: Mode = None,
    path: ScenariosPath = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the matrix, scenario by claim, as Markdown.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            metavar="FILE",
            help="Append the results to FILE; the matrix counts what it has of earlier ones.",
        ),
    ] = None,
    parallel: Annotated[
        str | None, typer.Option("-n", "--workers", metavar="N|auto", help="Several scenarios at once.")
    ] = None,
    hosts: Hosts = None,
    incus_remote: IncusRemote = None,
    incus_vm: IncusVm = False,
    vm_templates_path: Templates = None,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Let scenarios prove that their checks measure something. See docs/selfcheck.md.

    For each scenario: validate.yml is green on the healthy host and red after prepare.yml; solve.yml and each alt-*.yml
    turn both gates green; each cheat-*.yml turns the gate red that bench.cheats names; an agent that does nothing does
    not pass; restore.yml leaves the hosts as they were; nothing does harm when played twice. This is `pytest scenarios/
    --selfcheck`.

    Exit status: 0 every claim holds; 1 one does not, or could not be looked at; 2 nothing was checked; 130 interrupted.
    """
    from pytest_2501bench.cli.parameters import flags
    from pytest_2501bench.cli.pytest_run import run_pytest
    from pytest_2501bench.cli.scenarios import scenarios_folder
    from pytest_2501bench.interrupt import terminated_like_interrupted

    folder = scenarios_folder(path)
    arguments = flags(
        env_file=env_file,
        scenarios=scenarios,
        mode=mode,
        iterations=times,
        hosts=hosts,
        incus_remote=incus_remote,
        incus_vm=incus_vm,
        vm_templates_path=vm_templates_path,
        bench_dir=bench_dir,
    )
    if report is not None:
        arguments.append(f"--selfcheck-report={report.absolute()}")
    if results is not None:
        arguments.append(f"--selfcheck-results={results.absolute()}")
    if claims is not None:
        arguments += ["-k", claims]
    if parallel is not None:
        arguments += ["-n", parallel]
    with terminated_like_interrupted():
        status = run_pytest([str(folder), "--selfcheck", *arguments], log_file=None, fail_on_error=True)
    raise typer.Exit(status)
