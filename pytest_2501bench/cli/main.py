"""The ``2501bench`` command: verbs beside pytest. Scenarios themselves are run by pytest."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import pytest_2501bench
from pytest_2501bench.cli import engine, registry, sandbox, schema, sync, validate

app = typer.Typer(
    name="2501bench",
    help="Tools around `pytest scenarios/`: scenario files, results, sandboxes, the local engine.",
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
    """Tools around `pytest scenarios/`: scenario files, results, sandboxes, the local engine."""


app.command("validate")(validate.validate)
app.command("schema")(schema.schema)
app.command("sync")(sync.sync)
app.command("engine")(engine.engine)
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(registry.app, name="registry")


def main() -> None:
    """Run a verb. Exit status: 0 done, 1 something was found or is left, 2 wrong usage, 130 Ctrl-C."""
    from pytest_2501bench.errors import BenchError, Verdict

    try:
        app()
    except BenchError as exc:
        typer.echo(f"2501bench: {exc}", err=True)
        sys.exit(2 if exc.row.verdict is Verdict.USAGE else 1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
