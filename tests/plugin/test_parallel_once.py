"""Several workers: every run happens exactly once, whatever else is asked of pytest."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.plugin_project import NEVER, Project

ONCE = {"key/1": 1, "key/2": 1, "key/3": 1, "key/4": 1, "key/5": 1}
PLAIN = """\
import os, time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(40))
def test_it(number):
    # The first worker that is free waits for another one: else it may do all forty alone.
    Path(os.environ["PYTEST_XDIST_WORKER"] + ".came").touch()
    end = time.monotonic() + 30
    while len(list(Path().glob("gw*.came"))) < 2 and time.monotonic() < end:
        time.sleep(0.02)
"""


@pytest.fixture
def five(project: Project) -> Project:
    for number in range(1, 6):
        project.scenario(f"key/{number}", tags=[f"tag{number}"])
    return project


@pytest.mark.parametrize("args", [("-n", "4"), ("--parallel", "--reruns", "2", "-k", "compliance")], ids=" ".join)
def test_once_in_workers(five: Project, args: tuple[str, ...]) -> None:
    outcome = five.run(*args, "--main-engine", "engine-a")
    assert outcome.status == 0, outcome.out
    assert five.runs() == ONCE
    assert [(each.status.value, each.main_engine) for each in five.reports()] == [("passed", "engine-a")] * 5
    assert len({report.benchmark_id for report in five.reports()}) == 1
    assert five.left() == []


def test_once_in_workers_with_shuffled_items_iterations_and_ordinary_tests(five: Project) -> None:
    ini = (five.root / "pytest.ini").read_text().replace("-p no:randomly ", "")
    five.write("pytest.ini", ini)
    five.write("test_plain.py", PLAIN)
    outcome = five.run("-n", "3", "-v", "--randomly-seed", "7", "--iter", "3")
    outcome.counts(passed=40 + 5 * 3 * 2)
    assert five.runs() == dict.fromkeys(ONCE, 3)
    workers = {line.split("]")[0] for line in outcome.out.splitlines() if "test_it" in line and line.startswith("[gw")}
    assert len(workers) > 1


def test_failed_gates_and_last_failed_in_workers(five: Project) -> None:
    five.scenario("key/2", validation={"tasks": [NEVER]})
    five.run("-n", "2", "--reruns", "2").counts(passed=9, failed=1)
    assert five.runs() == ONCE
    five.run("-n", "2", "--lf").counts(failed=1)
    assert five.runs() == {**ONCE, "key/2": 2}


@pytest.mark.parametrize("option", ["-x", "--maxfail=2"])
def test_stopping_at_a_failure_begins_nothing_twice_and_leaves_nothing(five: Project, option: str) -> None:
    for number in range(1, 6):
        five.scenario(f"key/{number}", validation={"tasks": [NEVER]})
    outcome = five.run("-n", "2", option)
    assert outcome.status == pytest.ExitCode.INTERRUPTED, outcome.out
    runs = five.runs()
    assert 1 <= len(runs) < 5
    assert set(runs.values()) == {1}
    assert five.left() == []
    assert {report.key for report in five.reports()} == set(runs)  # each with its report, in the database too
    assert all(f"{key} " in outcome.out for key in runs)


@pytest.mark.parametrize("dist", ["each", "worksteal", "loadgroup"])
def test_ways_to_distribute_that_tear_runs_apart_are_refused(five: Project, dist: str) -> None:
    outcome = five.run("-n", "1", "--dist", dist)
    assert outcome.usage_error() == (
        f"ERROR: --dist {dist}: it would give the checks of a run to several workers, but a run happens once. "
        "Use --dist load (what -n means), loadscope or loadfile."
    )


def test_another_way_to_distribute_is_left_alone(five: Project) -> None:
    five.run("-n", "2", "--dist", "loadfile").counts(passed=10)
    assert five.runs() == ONCE


def test_any_way_to_distribute_is_fine_where_no_scenario_is_selected(five: Project) -> None:
    five.write("test_plain.py", "def test_a(): pass\ndef test_b(): pass\n")
    five.run("-n", "2", "--dist", "worksteal", "test_plain.py").counts(passed=2)
    assert five.runs() == {}


def test_two_sessions_at_once_share_the_memory_and_nothing_else(five: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(five.root / "cache"))
    five.conftest("""
from support import plugin_fakes

create = plugin_fakes.FakeProvider.create

def counted(self, specs, progress=plugin_fakes.silent):
    made = create(self, specs, progress)
    self._script.call("alive", str(len(list((self._root / "alive").iterdir()))))
    return made

plugin_fakes.FakeProvider.create = counted
""")
    command = [sys.executable, "-m", "pytest", "--assert=plain", "-n", "2", "--parallel-ram-cap", "2"]
    sessions = [
        subprocess.Popen(
            [*command, "--bench-dir", name], cwd=five.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for name in ("one", "two")
    ]
    outs = [session.communicate(timeout=60)[0] for session in sessions]
    assert [session.returncode for session in sessions] == [0, 0], "\n".join(outs)
    assert five.runs() == dict.fromkeys(ONCE, 2)
    assert max(int(alive) for alive in five.calls("alive")) <= 2
    assert list((five.root / "cache" / "ram").glob("*.ticket")) == []
