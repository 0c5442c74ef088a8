"""``--source git``: the scenarios as they were committed, in a working tree of their own for the time of a session."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from pytest_2501bench.cli.parameters import flags
from pytest_2501bench.cli.program import USAGE
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.owner import OWNER_FILE, owner_alive, owner_line
from pytest_2501bench.ids import new_id

_FOLDER = "checkouts"


@contextmanager
def committed(
    folder: Path, *, bench_dir: Path | None = None, env_file: Path | None = None
) -> Iterator[tuple[Path, list[str]]]:
    """Check out HEAD of the repository that *folder* is in, and go to the same place in it.

    Results still go where they would go without it. The working tree is below the bench directory, and removed at the
    end; one that a killed session left is removed by the next.

    Yields:
        *folder* in that working tree, and further arguments for pytest.

    Raises:
        BenchError: ``option_invalid``: no repository, no commit, or *folder* is not in it.
    """
    root, results = _places(flags(bench_dir=bench_dir, env_file=env_file))
    top = Path(_git(folder, "rev-parse", "--show-toplevel"))
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", problem="has no commit yet")
    inside = folder.resolve().relative_to(top.resolve())
    _sweep(top, results / _FOLDER)
    place = results / _FOLDER / new_id("run")
    place.mkdir(parents=True)
    (place / OWNER_FILE).write_text(owner_line(), encoding="utf-8")
    tree, here = place / "tree", Path.cwd()
    try:
        _git(top, "worktree", "add", "--quiet", "--detach", "--force", str(tree), commit)
        there = tree / inside
        if not there.is_dir():
            raise BenchError(Cause.OPTION_INVALID, f"--source git: {folder} is not in the last commit ({commit[:12]}).")
        dirty = _git(top, "status", "--porcelain", "--", str(folder)).splitlines()
        changed = f"{len(dirty)} changed files do" if len(dirty) > 1 else "1 changed file does"
        left_out = f"; {changed} not count" if dirty else ""
        typer.echo(f"scenarios of commit {commit[:12]}{left_out}.", err=True)
        os.chdir(tree / _relative(here, top))
        yield there, ["--rootdir", str(tree / _relative(root, top)), f"--bench-dir={results}"]
    finally:
        os.chdir(here)
        _remove(top, place)


def _places(arguments: list[str]) -> tuple[Path, Path]:
    """Return root and bench directory as pytest sees them from here.

    Raises:
        typer.Exit: pytest refused something, and has said what.
    """
    asked = subprocess.run(
        [sys.executable, "-m", "pytest_2501bench.cli.project", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if asked.returncode:
        raise typer.Exit(USAGE)
    found = json.loads(asked.stdout.splitlines()[-1])
    return Path(found["root"]), Path(found["bench_dir"])


def _relative(path: Path, top: Path) -> Path:
    """Return where *path* is in the repository; its top for a place outside."""
    path, top = path.resolve(), top.resolve()
    return path.relative_to(top) if path.is_relative_to(top) else Path()


def _git(folder: Path, *words: str, problem: str = "") -> str:
    """Return what git says.

    Raises:
        BenchError: ``option_invalid``, with git's own words; ``tool_missing``.
    """
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BenchError(Cause.TOOL_MISSING, "--source git: git is not on PATH.", remedy="Install git.") from None
    if done.returncode:
        said = problem or " ".join(done.stderr.split()).removeprefix("fatal: ")
        raise BenchError(Cause.OPTION_INVALID, f"--source git: {folder}: {said}.")
    return done.stdout.rstrip("\n")


def _sweep(top: Path, checkouts: Path) -> None:
    """Remove what killed sessions left."""
    for place in sorted(checkouts.glob("run_*")):
        if not owner_alive(place):
            _remove(top, place)


def _remove(top: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    with contextlib.suppress(BenchError):
        _git(top, "worktree", "prune")
    with contextlib.suppress(OSError):  # others use it still
        place.parent.rmdir()
