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
        with contextlib.suppress(OSError):
            source.rmdir()


def found(run_directory: Path, host_names: tuple[str, ...]) -> tuple[Recording, ...]:
    """Return the recordings in the run's folder, host by host."""
    return tuple(
        recording
        for host_name in host_names
        for recording in recordings_in(run_directory / FOLDER / host_name, host_name, run_directory)
    )
