"""``2501bench schema``: JSON Schemas of scenario.json, of the reports on disk, and of lines of exports."""

from __future__ import annotations

from typing import Annotated

import typer

from pytest_2501bench.tables.schemas import Of


def schema(
    of: Annotated[
        Of, typer.Option("--of", help="A file (scenario.json, report.json, benchmark.json), or a line of an export.")
    ] = Of.SCENARIO,
) -> None:
    """Print a JSON Schema, for editors and other tools: of scenario.json, or of what --of names."""
    from pytest_2501bench.tables.schemas import schema_text

    typer.echo(schema_text(of), nl=False)
