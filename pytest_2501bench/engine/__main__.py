"""``python -m pytest_2501bench.engine``: an engine in the foreground."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from pytest_2501bench.errors import BenchError


def main(arguments: list[str] | None = None) -> int:
    """Run the engine; return 0 when it was asked to stop, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_2501bench.engine",
        description="Run the local engine in the foreground. Its key is taken from ENGINE_API_KEY.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2501, help="port, 0 for any (default: %(default)s)")
    parser.add_argument("--agent", default="noop", help="oracle, noop, command or package.module:factory")
    parser.add_argument(
        "--agent-command", metavar="COMMAND", help="for --agent command: the program with its arguments"
    )
    parser.add_argument("--log-dir", type=Path, help="where agents' own output is kept (default: nowhere)")
    options = parser.parse_args(arguments)
    from pytest_2501bench.engine import server

    # Agents inherit the environment in part; the key is not theirs.
    key = os.environ.pop("ENGINE_API_KEY", "")
    try:
        server.serve(
            host=options.host,
            port=options.port,
            key=key,
            agent=options.agent,
            agent_command=shlex.split(options.agent_command) if options.agent_command else None,
            log_directory=options.log_dir,
        )
    except BenchError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a program
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
