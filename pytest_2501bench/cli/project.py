"""What pytest makes of the project in this folder: settings with their sources, modes and rule types of all plugins.

Asked of pytest itself, so that ini files, conftest.py files and installed plugins count here as they do in a session.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from pytest_2501bench.cli.parameters import Value, flags
from pytest_2501bench.cli.program import USAGE
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.extensions import choose, providers_of, validators_of
from pytest_2501bench.options import Settings, settings_of
from pytest_2501bench.sandbox.protocol import SandboxProvider
from pytest_2501bench.scenario.rule_type import RuleType
from pytest_2501bench.session import BenchSession


@dataclass(frozen=True)
class Project:
    """A project as a pytest session in the same folder would see it."""

    root: Path
    settings: Settings
    modes: Mapping[str, Callable[[Settings], SandboxProvider]]
    rule_types: Mapping[str, RuleType] = field(default_factory=dict)

    def in_mode(self, mode: str) -> Settings:
        """Return the settings for another *mode*."""
        return dataclasses.replace(self.settings, mode=mode)

    def provider(self, mode: str) -> SandboxProvider:
        """Return the sandboxes of *mode*.

        Raises:
            BenchError: ``option_invalid``: no plugin here has it any more.
        """
        if mode not in self.modes:
            known = ", ".join(sorted(self.modes))
            raise BenchError(Cause.OPTION_INVALID, f"mode {mode}: no such mode. Available: {known}.")
        return self.modes[mode](self.in_mode(mode))

    @contextmanager
    def session(self, mode: str) -> Iterator[BenchSession]:
        """Open what runs in *mode* share: provider, playbooks, database; close it at the end."""
        self.provider(mode)
        bench = BenchSession(
            settings=self.in_mode(mode),
            benchmark_id="",
            root=self.root,
            worker=False,
            make_provider=self.modes[mode],
            make_gateway=_no_gateway,
            agent=None,
            rule_types=self.rule_types,
        )
        try:
            yield bench
        finally:
            bench.close()


def _no_gateway(settings: Settings) -> NoReturn:
    raise AssertionError("verbs of the command line submit no ticket")


class _Probe:
    """A plugin that looks at the configuration and ends the session before it begins."""

    def __init__(self, *, check_mode: bool) -> None:
        self.check_mode = check_mode
        self.found: Project | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        settings = settings_of(config)
        modes = providers_of(config)
        if self.check_mode:
            choose("--mode", settings.sources["mode"], settings.mode, modes, "mode")
        self.found = Project(config.rootpath, settings, modes, validators_of(config))
        return 0


def open_project(*, check_mode: bool = True, env_file: Path | None = None, **options: Value) -> Project:
    """Ask pytest about the project in the current folder.

    Args:
        check_mode: the mode must be one that there is.
        env_file: as ``--bench-env-file``.
        options: by the names of :data:`~pytest_2501bench.options.OPTIONS`; None was not given. Paths start here.

    Raises:
        typer.Exit: pytest refused the project or an option, and has said why.
    """
    probe = _Probe(check_mode=check_mode)
    arguments = ["--assert=plain", "-p", "no:cacheprovider", *flags(env_file=env_file, **options)]
    pytest.main(arguments, plugins=[probe])
    if probe.found is None:
        raise typer.Exit(USAGE)
    return probe.found


def main() -> None:
    """Print root and bench directory for a process that must not import what pytest wants to import first."""
    probe = _Probe(check_mode=False)
    pytest.main(["--assert=plain", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[probe])
    if probe.found is None:
        sys.exit(USAGE)
    found = {"root": str(probe.found.root), "bench_dir": str(probe.found.settings.bench_dir.absolute())}
    typer.echo(json.dumps(found))


if __name__ == "__main__":
    main()
