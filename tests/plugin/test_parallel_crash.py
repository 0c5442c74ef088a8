"""A worker that dies in any phase: its run is lost, visibly, and never made again; all others happen once."""

from __future__ import annotations

import json

import pytest
from support.plugin_project import Project

# Where the worker dies, one run each → whether an agent worked, and what the run's report says.
DEATHS = {
    "provider.create": (0, "provision"),
    "gateway.register": (0, "provision"),
    "phases.prepare": (0, "prepare"),
    "gateway.flush_memory": (0, "flush"),
    "gateway.submit": (1, "execute"),
    "gateway.poll": (1, "execute"),
    "gateway.fetch": (1, "execute"),
    "phases.validate": (1, "validate"),
    "gateway.unregister": (1, None),  # verdicts that are there already stand
    "provider.destroy": (1, None),
}

KILLING = """
import os
import signal

import pytest
from support import plugin_fakes

from pytest_2501bench.phases import RunPhases
from pytest_2501bench.traces.isolation import Isolation

call = plugin_fakes.Script.call

def killed(self, name, detail=""):
    call(self, name, detail)
    die_at(name)

def die_at(name):
    run = os.environ.get("PYTEST_CURRENT_TEST", "")
    if f"/{name}/" in run and "PYTEST_XDIST_WORKER" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)

def play(self, sandbox, name, *more):
    die_at(f"phases.{name}")

def end_logins(self, *hosts, **more):
    die_at("phases.validate")

plugin_fakes.Script.call = killed
if "PYTEST_XDIST_WORKER" in os.environ:  # the controller is the process of these tests
    RunPhases._play = play  # these scenarios have no playbooks
    Isolation.end_logins = end_logins
"""


@pytest.fixture
def deadly(project: Project) -> Project:
    project.conftest(KILLING)
    project.scenario("key/sound")
    return project


def test_a_worker_killed_in_each_phase(deadly: Project) -> None:
    for at in DEATHS:
        deadly.scenario(f"key/{at}")
    outcome = deadly.run("-n", "3", "-p", "no:rerunfailures")
    assert outcome.status == pytest.ExitCode.TESTS_FAILED, outcome.out
    assert "INTERNALERROR" not in outcome.out
    # Of a run that died before its verdicts both checks are errors; of one that died after them, its teardown.
    outcome.counts(passed=2 + 2 * 2, errors=8 * 2 + 2)
    assert deadly.runs() == {"key/sound": 1} | {f"key/{at}": 1 for at, (worked, _) in DEATHS.items() if worked}
    assert len(deadly.calls("gateway.cancel")) == 2  # of the agents that were at work
    found = {report.key: report for report in deadly.reports()}
    assert found["key/sound"].status == "passed"
    for at, (_, phase) in DEATHS.items():
        report = found[f"key/{at}"]
        assert report.failure_phase == phase, at
        assert report.status == ("error" if phase else "passed"), at
        if phase:
            assert report.failure_cause == "worker_died"
            assert "died during this run, which is not repeated" in report.failure_message
    assert "lost to infrastructure: 8" in outcome.out
    assert "died after this run's verdicts, before its sandbox was removed" in outcome.out


def test_with_stock_loadscope_a_crashed_run_is_not_made_again_either(deadly: Project) -> None:
    deadly.scenario("key/gateway.submit")
    outcome = deadly.run("-n", "2", "--dist", "loadscope")
    assert deadly.runs() == {"key/sound": 1, "key/gateway.submit": 1}, outcome.out
    outcome.counts(passed=2, errors=2)
    assert sorted(report.status for report in deadly.reports()) == ["error", "passed"]


def test_runs_that_the_dead_worker_had_not_begun_go_to_another(deadly: Project) -> None:
    # With one check per run the worker is given a second run, because xdist wants to know the next item.
    deadly.scenario("key/gateway.submit")
    outcome = deadly.run("-n", "1", "-k", "compliance")
    outcome.counts(passed=1, error=1)
    assert deadly.runs() == {"key/sound": 1, "key/gateway.submit": 1}


def test_what_a_dead_worker_left_is_removed(deadly: Project) -> None:
    deadly.scenario("key/gateway.submit")
    deadly.write("fakes.json", json.dumps({"reap": ["sbx-left"]}))
    outcome = deadly.run("-n", "1")
    assert "removed sandbox sbx-left, left behind by worker gw0" in outcome.out
