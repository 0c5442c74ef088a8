"""``--changed-since``: which files changed since a git revision, and which scenarios that touches."""

from __future__ import annotations

import fnmatch
import os
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.templates import Template
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.resolve import DEFAULT_TEMPLATE

_SECONDS = 60.0


def changed_files(root: Path, revision: str) -> frozenset[Path]:
    """Return the files that differ from *revision*: committed, staged, in the work tree, untracked, deleted.

    From where the branches parted (``git merge-base``), as a pull request shows it: what others changed there since is
    no change of ours. Ignored files are left out.

    Args:
        root: a folder of the repository.
        revision: anything that names a commit: ``origin/main``, ``v1.2``, ``HEAD~3``.

    Raises:
        BenchError: ``option_invalid``; there is no git, no repository or no such revision.
    """
    top = Path(os.fsdecode(_git(root, "rev-parse", "--show-toplevel").rstrip(b"\n"))).resolve()
    try:
        commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    except BenchError:
        raise BenchError(
            Cause.OPTION_INVALID,
            f"--changed-since {revision}: the repository has no such revision.",
            remedy="A shallow clone has only the newest one: fetch the other first (fetch-depth: 0).",
        ) from None
    try:
        since = os.fsdecode(_git(root, "merge-base", os.fsdecode(commit), "HEAD").strip())
    except BenchError:
        since = os.fsdecode(commit)  # no common history, or not fetched: all that differs
    names = _git(top, "diff", "--name-only", "--no-renames", "-z", since, "--")
    names += _git(top, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset(top / os.fsdecode(name) for name in names.split(b"\0") if name)


def touched_by(
    loaded: LoadedScenario, files: Collection[Path], templates: Mapping[str, Template], root: Path
) -> Path | None:
    """Return one of *files* that the scenario depends on, or None.

    It depends on its folder with what links there lead to, on the folders of its hosts' templates, on what
    ``bench.depends_on`` names, and on each ``conftest.py`` from *root* to its folder.

    Args:
        loaded: the scenario.
        files: absolute paths, see :func:`changed_files`.
        templates: by name; an unknown one is told elsewhere.
        root: of the pytest session.
    """
    folder = loaded.directory.resolve()
    folders = [folder, *_links(folder)]
    for name in {host.template or DEFAULT_TEMPLATE for host in loaded.scenario.hosts} or {DEFAULT_TEMPLATE}:
        if name in templates:
            folders += [each.folder.resolve() for each in templates[name].chain if each.folder is not None]
    conftests = {place / "conftest.py" for place in (folder, *folder.parents) if place.is_relative_to(root.resolve())}
    patterns = [Path(os.path.normpath(folder / pattern)).parts for pattern in loaded.scenario.bench.depends_on]
    for file in sorted(files):
        if file in conftests or any(file.is_relative_to(place) for place in folders):
            return file
        if any(_matches(file.parts, pattern) for pattern in patterns):
            return file
    return None


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Say whether a path is matched by *pattern*, or is below what is; ``**`` stands for any number of folders."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts)))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _links(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place, name)
            if path.is_symlink():
                found += [path.resolve(), path.parent / path.readlink()]
    return [Path(os.path.normpath(path)) for path in found]


def _git(folder: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            timeout=_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        said = getattr(exc, "stderr", b"") or str(exc).encode()
        line = os.fsdecode(said).strip().splitlines()[-1:] or ["git failed"]
        raise BenchError(Cause.OPTION_INVALID, f"--changed-since: {line[0]}") from None
    return done.stdout
