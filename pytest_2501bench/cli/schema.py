"""``2501bench schema``: the JSON Schema of scenario.json."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON Schema of scenario.json, for editors and other tools."""
    from pytest_2501bench.scenario.schema import schema_text

    typer.echo(schema_text(), nl=False)
