"""Pre-flight as a pytest session has it: everything is checked once, by whoever decides what runs; then it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_2501bench.wiring import session_of

if TYPE_CHECKING:
    from pytest_2501bench.scenario.model import LoadedScenario


def check_and_begin(config: pytest.Config, scenarios: Sequence[LoadedScenario], write: Callable[[str], object]) -> bool:
    """Check everything that *scenarios* need, remove what dead sessions left, record the benchmark.

    With ``--bench-check`` nothing but the checks.

    Args:
        config: of the session that makes the runs, or of xdist's controller.
        scenarios: what is selected.
        write: shows a line.

    Returns:
        Whether runs may begin now.

    Raises:
        pytest.UsageError: something is wrong; one line.
    """
    from pytest_2501bench.errors import BenchError

    bench = session_of(config)
    only_check = bool(config.getoption("bench_check"))
    try:
        for what, found in bench.preflight(scenarios):
            if only_check:
                write(f"{what:<12}{found}")
        if only_check:
            write("pre-flight passed; nothing was run (--bench-check).")
            return False
        for name in bench.begin():
            write(f"removed sandbox {name}, left behind by a session that died")
        for name in bench.imported:
            write(f"stored {name}, which an earlier session could not store")
    except BenchError as exc:
        raise pytest.UsageError(f"pre-flight: {str(exc).removeprefix('preflight: ')}") from None
    return True


def header_lines(config: pytest.Config, more: Sequence[tuple[str, str, str]] = ()) -> list[str]:
    """Return the settings that hold, each with its source, and *more* rows of the same form."""
    from pytest_2501bench.options import DATABASE_FILE
    from pytest_2501bench.report.lines import as_text
    from pytest_2501bench.report.terminal import header
    from pytest_2501bench.scenario.old_form import shown_path
    from pytest_2501bench.state import STATE

    settings = config.stash[STATE].settings
    rows = settings.rows()
    if settings.database_url is None and not settings.selfcheck:
        shown = shown_path(settings.bench_dir / DATABASE_FILE, config.invocation_params.dir)
        rows.append(("database", shown, "default"))
    return as_text(header([*rows, *more])).splitlines()
