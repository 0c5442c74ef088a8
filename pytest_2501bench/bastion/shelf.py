"""Where the local engine lays recordings, and how they come from there into the run's folder.

The engine knows no run. It has a folder for each host, and a host belongs to one run at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from pytest_2501bench.agents.protocol import Assignment
from pytest_2501bench.bastion.cast import SUFFIX, recordings_in
from pytest_2501bench.evidence.model import Recording

FOLDER = "recordings"
MESSAGES = "messages.jsonl"
"""Beside the recordings of a ticket's first host: what the agent and its models said to each other."""

UNREACHED = "unreached"
"""Beside a host's recordings: it could not be reached, or was lost, while an agent wanted it."""


def recordings_of(assignment: Assignment) -> dict[str, Path]:
    """Return the folder for recordings by host_name, for an agent of the local engine."""
    return {task.host.host_name: assignment.log_directory / FOLDER / task.host.host_id for task in assignment.tasks}


def fetch(engine_directory: Path, run_directory: Path, hosts: Mapping[str, str]) -> None:
    """Move the recordings of *hosts* (host_id → host_name) into the run's folder; files of the same name are kept."""
    for host_id, host_name in hosts.items():
        source = engine_directory / FOLDER / host_id
        target = run_directory / FOLDER / host_name
        for path in sorted(source.glob(f"*{SUFFIX}")):
            target.mkdir(parents=True, exist_ok=True)
            number = sum(1 for _ in target.iterdir()) + 1
            name = target / path.name
            while name.exists():
                name = target / f"{number:04d}{SUFFIX}"
                number += 1
            path.rename(name)
        if (source / MESSAGES).exists():
            with (run_directory / MESSAGES).open("ab") as all_messages:
                all_messages.write((source / MESSAGES).read_bytes())
            (source / MESSAGES).unlink()
        if (source / UNREACHED).exists():
            note_unreached(target)
            (source / UNREACHED).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            source.rmdir()


def found(run_directory: Path, host_names: tuple[str, ...]) -> tuple[Recording, ...]:
    """Return the recordings in the run's folder, host by host."""
    return tuple(
        recording
        for host_name in host_names
        for recording in recordings_in(run_directory / FOLDER / host_name, host_name, run_directory)
    )


def note_unreached(folder: Path) -> None:
    """Note that the host whose recordings are in *folder* could not be reached."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / UNREACHED).touch()


def unreached(run_directory: Path, host_names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the hosts of which :func:`note_unreached` was told."""
    return tuple(name for name in host_names if (run_directory / FOLDER / name / UNREACHED).exists())
