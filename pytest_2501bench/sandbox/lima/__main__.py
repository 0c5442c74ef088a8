"""Removes sandboxes by hand: the command that messages name when something could not be removed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.lima.provider import LimaProvider
from pytest_2501bench.sandbox.protocol import Sandbox


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pytest_2501bench.sandbox.lima", description=__doc__)
    parser.add_argument("--cache-dir", type=Path)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="sandboxes and whether their owner lives")
    verbs.add_parser("reap", help="remove sandboxes of dead owners")
    verbs.add_parser("destroy", help="remove one sandbox").add_argument("name")
    options = parser.parse_args(arguments)
    provider = LimaProvider(options.cache_dir)
    try:
        if options.verb == "list":
            lines = [
                f"{owned.name} owner {owned.owner_pid} alive={owned.owner_alive}" for owned in provider.list_owned()
            ]
        elif options.verb == "reap":
            lines = provider.reap()
        else:
            provider.destroy(Sandbox(options.name, ()))
            lines = [options.name]
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
