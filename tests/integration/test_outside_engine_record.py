"""An engine that is not ours: it reaches the hosts through the bastion, and what it reports is a claim."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.benchmark import AGENTS, benchmark

from pytest_2501bench.engine.process import LocalEngine

pytestmark = pytest.mark.namespace
NGINX = "scenarios/nginx/001-broken-config"


def test_what_an_outside_engines_agent_did_is_seen_and_can_be_replayed(tmp_path: Path) -> None:
    # Another one of ours stands for it: the session knows only its address and key.
    engine = LocalEngine("command", [str(AGENTS / "by_the_book_repairs_nothing.sh")], tmp_path / "engine")
    endpoint = engine.start()
    try:
        env = {"ENGINE_URL": endpoint.url, "ENGINE_API_KEY": endpoint.key}
        finished = benchmark(NGINX, bench_dir=tmp_path / "bench", env=env)
    finally:
        engine.stop()
    evidence = finished.evidence(NGINX)
    assert evidence.job is not None, finished.output
    (task,) = evidence.job.tasks or ()
    assert task.recorded is True
    assert task.executed_commands
    assert all(command.seen is not None for command in task.executed_commands)
    assert [c.command for c in task.claimed_commands or ()] == [c.command for c in task.executed_commands]
    assert evidence.recordings
    folder = finished.folders[NGINX].path
    assert all((folder / recording.file).is_file() for recording in evidence.recordings)
