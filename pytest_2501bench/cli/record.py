"""``2501bench record``: what a person entered in a sandbox, as a draft of solve.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pytest_2501bench.cli.parameters import BenchDir, EnvFile
from pytest_2501bench.cli.sandbox_scenario import WhichKey, WhichMode, WhichName


def record(
    *,
    scenario: WhichKey = None,
    name: WhichName = None,
    mode: WhichMode = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to this file; default: print it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    report: Annotated[
        str | None, typer.Option("--report", metavar="TEXT", help="The report; default: a FIXME in its place.")
    ] = None,
    bench_dir: BenchDir = None,
    env_file: EnvFile = None,
) -> None:
    """Make a draft of solve.yml from what was entered in `sandbox enter`, in all sessions and on all hosts.

    One task per line, in order; sudo becomes `become`, cd becomes chdir. Lines that failed keep going. What cannot be
    played again (editors, pagers, lines that did not run) becomes a comment, a file that an editor changed a task that
    writes it. May be repeated while the sandbox is there; what was recorded goes with it.
    """
    from pytest_2501bench.authoring.draft import draft
    from pytest_2501bench.authoring.typed import lines_of
    from pytest_2501bench.cli.sandbox_scenario import found
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.keeping import Book
    from pytest_2501bench.keeping import command as again

    if output is not None and output.exists() and not force:
        raise BenchError(Cause.OPTION_INVALID, f"-o {output}: is there already; --force overwrites it.")
    project, entry = found("record", key=scenario, name=name, mode=mode, bench_dir=bench_dir, env_file=env_file)
    lines = lines_of(Book(project.settings.bench_dir).recordings(entry.name))
    if not lines:
        enter = again(project.settings, "sandbox", "enter", "-n", entry.name)
        raise BenchError(
            Cause.OPTION_INVALID, f"nothing is recorded of {entry.name} ({entry.what}).", remedy=f"Enter it: {enter}"
        )
    drafted = draft(lines, name=f"Repair {entry.key}", hosts=entry.host_names, report=report)
    if output is None:
        typer.echo(drafted.text, nl=False)
    else:
        try:
            output.write_text(drafted.text, encoding="utf-8")
        except OSError as error:
            raise BenchError(Cause.OPTION_INVALID, f"-o {output}: {error.strerror}.") from None
    told = "" if not drafted.left_out else f", {len(drafted.left_out)} left out"
    where = "" if output is None else f" in {output}"
    typer.echo(f"{len(lines)} lines entered: {drafted.tasks} tasks{where}{told}.", err=True)
    for line, reason in drafted.left_out:
        typer.echo(f"  left out: {' '.join(line.text.split())} ({reason})", err=True)
