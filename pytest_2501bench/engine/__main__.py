"""``python -m pytest_2501bench.engine``: an engine in the foreground, the same as ``2501bench engine``."""

from __future__ import annotations

import sys

import typer

from pytest_2501bench.cli import program
from pytest_2501bench.cli.engine import engine


def main(arguments: list[str] | None = None) -> int:
    """Run the engine; return 0 when it was asked to stop, 2 for wrong usage."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(engine)
    return program.run(app, arguments, name="python -m pytest_2501bench.engine", prefix=False)


if __name__ == "__main__":
    sys.exit(main())
