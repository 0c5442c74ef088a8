"""The program of ``--agent-command``: can it be run, and as what."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause


def check_agent_command(command: Sequence[str], directory: Path | None = None) -> tuple[str, ...]:
    """Return *command* so that it can be run from any directory.

    The agent works in a directory of its own, so the program, and arguments that name existing files, are made
    absolute, starting from *directory* (default: the current one).

    Raises:
        BenchError: ``option_invalid``: no program, not found or not executable.
    """
    base = (directory or Path.cwd()).absolute()
    if not command or not command[0].strip():
        raise BenchError(Cause.OPTION_INVALID, "--agent-command: is empty.", remedy="Give a program.")
    program, *arguments = command
    if "/" in program:
        path = base / Path(program).expanduser()
        if not path.exists():
            raise BenchError(Cause.OPTION_INVALID, f"--agent-command: {program}: no such file.")
        if path.is_dir() or not os.access(path, os.X_OK):
            raise BenchError(
                Cause.OPTION_INVALID,
                f"--agent-command: {program}: not executable.",
                remedy="Make it so with chmod +x, or name its interpreter.",
            )
        found = str(path)
    else:
        which = shutil.which(program)
        if which is None:
            hint = f"Did you mean ./{program}?" if (base / program).is_file() else "Install it, or give its path."
            raise BenchError(Cause.OPTION_INVALID, f"--agent-command: {program}: not found in PATH.", remedy=hint)
        found = str(Path(which).absolute())
    return (found, *(_absolute(argument, base) for argument in arguments))


def _absolute(argument: str, base: Path) -> str:
    if argument.startswith(("-", "/")) or not argument:
        return argument
    path = base / argument
    # One word such as "run" may be a subcommand that happens to be a folder's name too.
    is_path = path.is_file() or ("/" in argument and path.is_dir())
    return str(path) if is_path else argument
