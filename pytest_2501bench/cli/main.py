"""The ``2501bench`` command: verbs beside pytest. ``start`` runs pytest, with the options of the vendor's runner."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import pytest_2501bench
from pytest_2501bench.cli import (
    audit,
    chaos,
    compare,
    engine,
    explain,
    export,
    flush,
    hosts,
    listing,
    new,
    program,
    record,
    registry,
    report,
    sandbox,
    schema,
    selfcheck,
    serve,
    start,
    sync,
    trend,
    validate,
)

_HELP = "Run operations agents through incidents, and what belongs to it: scenario files, results, sandboxes, engine."

app = typer.Typer(
    name="2501bench",
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(shown: bool) -> None:
    if shown:
        typer.echo(pytest_2501bench.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


_options.__doc__ = _HELP

app.command("start", cls=start.StartCommand, options_metavar="[OPTIONS] [-- PYTEST ARGUMENTS]")(start.start)
app.command("validate", short_help="Check scenario files without running them.")(validate.validate)
app.command("new", short_help="A first draft of a scenario, which runs.")(new.new)
app.command("list", short_help="The scenarios that there are, and what they ask for.")(listing.list_)
app.command("explain", short_help="What a scenario shows, checks and forbids; for its author.")(explain.explain)
app.command("selfcheck", short_help="Let scenarios prove that their checks measure something.")(selfcheck.selfcheck)
app.command("record", short_help="What you typed in a sandbox, as a draft of solve.yml.")(record.record)
app.command("compare", short_help="Is one side better than another?")(compare.compare)
app.command("trend", short_help="How rates went over time.")(trend.trend)
app.command("report", short_help="All results as html pages.")(report.report)
app.command("serve", short_help="The same, live while runs go on.")(serve.serve)
app.command("chaos", short_help="Break a part in the middle of runs, and see what becomes of them.")(chaos.chaos)
app.command("export", short_help="Results for other programs: JSON lines, CSV, Parquet, junit …")(export.export)
app.command("flush", short_help="Remove stored runs, rows and evidence together.")(flush.flush)
app.command("schema", short_help="JSON Schemas: scenario.json, reports, exports.")(schema.schema)
app.command("sync", short_help="Bring what a crash left on disk into the database.")(sync.sync)
app.command("engine", short_help="Run the local engine by hand.")(engine.engine)
app.add_typer(audit.app, name="audit")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(registry.app, name="registry")
app.add_typer(hosts.app, name="hosts")


def main() -> None:
    """Run a verb. Exit status: 0 done, 1 something was found or is left, 2 wrong usage, 130 Ctrl-C."""
    sys.exit(program.run(app, name="2501bench"))


if __name__ == "__main__":
    main()
