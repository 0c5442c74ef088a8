"""``2501bench chaos`` on real hosts: every part broken once, and nothing lost, wrong or left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.benchmark import environment

ROOT = Path(__file__).parents[2]


def chaos(folder: Path, *arguments: str, status: int = 0) -> str:
    words = [sys.executable, "-m", "pytest_2501bench.cli.main", "chaos", "-p", str(ROOT / "scenarios"), *arguments]
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.namespace
def test_an_agent_that_repairs_is_never_failed_by_what_breaks(tmp_path: Path) -> None:
    out = chaos(tmp_path, "-s", "nginx-001-broken-config", "--mode", "namespace", "--times", "5", "--seed", "11")
    total = out.splitlines()[-1].split()
    assert total[0] == "all"
    recovered, errors, lost, wrong, missed, left = map(int, total[1:])
    assert recovered + errors + missed == 5
    assert (lost, wrong, left) == (0, 0, 0), out
    (file,) = tmp_path.glob(".2501bench/chaos/*/kills.jsonl")
    kills = [json.loads(line) for line in file.read_text().splitlines()]
    assert [each["number"] for each in kills] == [1, 2, 3, 4, 5]
    assert {each["part"] for each in kills} == {"engine", "gateway", "database", "network", "host"}
    assert {each["outcome"] for each in kills} <= {"recovered", "error", "missed"}


@pytest.mark.namespace
def test_an_agent_that_does_nothing_is_never_passed(tmp_path: Path) -> None:
    arguments = ["--agent", "noop", "--kill", "network", "--kill", "engine", "--at", "execute", "--times", "2"]
    out = chaos(tmp_path, "-s", "nginx-001-broken-config", "--mode", "namespace", *arguments, "--seed", "1")
    assert "undisturbed, nginx-001-broken-config: task validation failed" in out
    assert out.splitlines()[-1].split()[3:5] == ["0", "0"]  # lost, wrong


@pytest.mark.namespace
def test_a_part_of_yours_is_broken_and_restored_by_your_commands(tmp_path: Path) -> None:
    told = tmp_path / "told"
    lines = [f"NETWORK_{name}_COMMAND='sh -c \"echo {name} >> {told}\"'\n" for name in ("KILL", "START")]
    (tmp_path / "env").write_text("".join(lines))
    arguments = ["--agent", "noop", "--kill", "network", "--times", "1", "--seed", "1", "--env-file", "env"]
    out = chaos(tmp_path, "-s", "nginx-001-broken-config", "--mode", "namespace", *arguments)
    assert out.splitlines()[-1].split()[:2] == ["all", "1"]
    assert told.read_text().split() == ["KILL", "START"]


def test_half_of_a_pair_of_commands_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("NETWORK_KILL_COMMAND=true\n")
    asked = ["-s", "nginx-001-broken-config", "--mode", "namespace", "--kill", "network", "--env-file", "env"]
    out = chaos(tmp_path, *asked, "--dry-run", status=2)
    assert "NETWORK_KILL_COMMAND is set, NETWORK_START_COMMAND is not: it takes both" in out


def test_the_plan_is_shown_without_a_run_and_wrong_words_are_one_line(tmp_path: Path) -> None:
    asked = ["-s", "nginx-001-broken-config", "--mode", "namespace", "--seed", "7", "--dry-run"]
    first = chaos(tmp_path, *asked)
    assert first.startswith("plan of 5 kills, seed 7:")
    assert first == chaos(tmp_path, *asked)
    assert "Did you mean 'execute'?" in chaos(tmp_path, *asked, "--at", "excute", status=2)
    assert not (tmp_path / ".2501bench" / "chaos").exists()
