"""``2501bench new``: a first draft of a scenario that lints clean and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new(
    name: Annotated[str, typer.Argument(metavar="CATEGORY/NAME", help="For example nginx/slow-start.")],
    *,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="remediation, investigation, control or refusal.")
    ] = "remediation",
    hosts: Annotated[
        int, typer.Option("--hosts", metavar="N", help="How many; the first has the service, the others use it.")
    ] = 1,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="Shown in reports. Default: made from NAME.")
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "-p",
            "--path",
            metavar="PATH",
            help="Folder with scenarios. Default: scenarios/ here or in the nearest folder above, else a new one.",
        ),
    ] = None,
) -> None:
    """Write a scenario to begin from: CATEGORY/NNN-NAME with the next free number.

    It is a small incident that runs as it is, with wrong fixes and another good one. Comments say what to replace.
    Nothing is ever overwritten.
    """
    from pytest_2501bench.authoring.skeleton import Draft, write
    from pytest_2501bench.cli.explain import commands
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.scenario.model import Kind
    from pytest_2501bench.scenario.old_form import shown_path
    from pytest_2501bench.scenario.problems import suggestion

    if kind not in list(Kind):
        raise BenchError(Cause.OPTION_INVALID, f"--kind: '{kind}' is no kind. {suggestion(kind, list(Kind))}")
    folder = write(Draft.named(name, kind=Kind(kind), title=title, hosts=hosts), path or _nearest())
    shown = shown_path(folder.absolute(), Path.cwd())
    key = f"{folder.parent.name}-{folder.name}"
    typer.echo(f"{shown} written: {', '.join(sorted(file.name for file in folder.iterdir()))}\n")
    typer.echo("It runs as it is. Replace what its comments say, beginning with prepare.yml; on the way:\n")
    for line in (f"2501bench explain {key}", *commands(key, shown)):
        typer.echo(f"  {line}")


def _nearest() -> Path:
    from pytest_2501bench.cli.scenarios import FOLDER

    here = Path.cwd()
    return next((folder / FOLDER for folder in (here, *here.parents) if (folder / FOLDER).is_dir()), Path(FOLDER))
