"""How a verb ends: one line for a mistake, and the exit statuses that the help texts promise."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from pytest_2501bench.errors import BenchError, Verdict

OK = 0
FOUND = 1
USAGE = 2
INTERRUPTED = 130

# typer has a click of its own in newer versions, and shows no name for this class in any.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def run(app: typer.Typer, arguments: Sequence[str] | None = None, *, name: str, prefix: bool = True) -> int:
    """Run *app* and return its exit status.

    Args:
        app: the verbs, or a single one.
        arguments: in place of ``sys.argv``.
        name: of the program, for help texts.
        prefix: put the verb in front of messages.

    Returns:
        0 done, 1 something was found or is left, 2 wrong usage, 130 Ctrl-C; a verb may have others of its own.
    """
    try:
        status = app(arguments, prog_name=name, standalone_mode=False)
    except BenchError as exc:
        typer.echo(f"{name}: {exc}" if prefix else str(exc), err=True)
        return USAGE if exc.row.verdict is Verdict.USAGE else FOUND
    except _UsageError as exc:
        _tell(exc, name)
        return USAGE
    except typer.Abort:  # nobody answered a question
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    return status if isinstance(status, int) else OK


def _tell(error: Exception, name: str) -> None:
    """Show a mistake in one line; a command without arguments shows its help, which is what its user wants."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else name
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if message.startswith("Usage:"):
        typer.echo(message, err=True)
        return
    one_line = " ".join(message.split())
    end = "" if one_line.endswith((".", "?")) else "."
    typer.echo(f"{path}: {one_line}{end} See {path} --help.", err=True)
