"""Options that several verbs have in common, with the same letter and words in each, and what they are to pytest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pytest_2501bench.options import OPTIONS

Value = str | Path | bool | float | None

Mode = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--mode",
        metavar="MODE",
        help="host, incus, lima, namespace or one of a plugin. Default: BENCH_MODE, bench_mode in the ini file, host.",
    ),
]
AnyMode = Annotated[str | None, typer.Option("-m", "--mode", metavar="MODE", help="Only this mode; default all.")]
EnvFile = Annotated[
    Path | None,
    typer.Option("--env-file", metavar="FILE", help="KEY=VALUE lines for what the environment does not have."),
]
BenchDir = Annotated[
    Path | None, typer.Option("--bench-dir", metavar="DIR", help="Where results are kept. Default: as pytest has it.")
]
ScenariosPath = Annotated[
    Path | None,
    typer.Option(
        "-p",
        "--path",
        metavar="PATH",
        help="Folder with scenarios. Default: scenarios/ in this folder or in the nearest one above it.",
    ),
]
Templates = Annotated[
    Path | None, typer.Option("--vm-templates-path", metavar="DIR", help="Folder with templates of one's own.")
]
Hosts = Annotated[
    Path | None,
    typer.Option("--hosts", metavar="INVENTORY", help="For -m host: register the hosts of this inventory."),
]
IncusRemote = Annotated[
    str | None,
    typer.Option("--incus-remote", metavar="NAME[:TARGET]", help="For -m incus: the server, and where in its cluster."),
]
IncusVm = Annotated[bool, typer.Option("--incus-vm", help="For -m incus: virtual machines in place of containers.")]


def flags(*, env_file: Path | None = None, **options: Value) -> list[str]:
    """Return the pytest options for *options*, by the names of :data:`~pytest_2501bench.options.OPTIONS`."""
    by_name = {option.name: option for option in OPTIONS}
    words: list[str] = []
    for name, value in options.items():
        option = by_name[name]
        assert option.flag is not None, name
        if option.switch:
            words += [option.flag] if value else []
        elif value is not None:
            # With "=", so that a value may begin with a dash; paths start in the user's folder, not in the root's.
            words.append(f"{option.flag}={value.absolute() if isinstance(value, Path) else value}")
    if env_file is not None:
        words.append(f"--bench-env-file={env_file.absolute()}")
    return words
