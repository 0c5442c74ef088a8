"""Sessions with the real ``runner`` gateway: the local engine, one that dies, one that answers nonsense."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.fake_engine import Answer, FakeEngine, fake_engine
from support.plugin_project import Project, processes_in
from syrupy.assertion import SnapshotAssertion

HEALTH = {"status": "ok", "api": "2501bench/1", "version": "0"}
AGENTS = """
def pytest_2501bench_agents(config):
    return {"finder": "support.plugin_agents:Finder", "killer": "support.plugin_agents:Killer"}
"""


@pytest.fixture
def one(project: Project) -> Project:
    project.scenario("nginx/001")
    project.write("fake_key", "CANARY-KEY")
    project.write("fake_known_hosts", "")
    project.conftest(AGENTS)
    return project


@pytest.fixture
def local(one: Project) -> Project:
    one.monkeypatch.delenv("ENGINE_URL")
    one.monkeypatch.delenv("ENGINE_API_KEY")
    return one


def test_an_agent_of_another_plugin_works_in_the_local_engine(local: Project) -> None:
    local.conftest(f"""{AGENTS}
def pytest_2501bench_run_finished(run):
    from support.plugin_project import processes_in
    run.config.rootpath.joinpath("processes.txt").write_text("\\n".join(processes_in(run.config.rootpath)))
""")
    outcome = local.run("--gateway", "runner", "--agent", "finder")
    outcome.counts(passed=2)
    report = local.report()
    assert (report.agent, report.gateway, report.task_count) == ("finder", "runner", 1)
    assert "engine" in (local.root / "processes.txt").read_text()  # while it ran
    assert processes_in(local.root) == []


def test_preflight_alone_starts_and_ends_the_engine(local: Project) -> None:
    outcome = local.run("--gateway", "runner", "--agent", "finder", "--bench-check")
    assert outcome.status == 0
    assert "runner: local engine with agent finder answers" in outcome.out
    assert processes_in(local.root) == []


@pytest.mark.usefixtures("impatient")
def test_an_engine_that_dies_in_the_middle_of_a_job(local: Project, snapshot: SnapshotAssertion) -> None:
    outcome = local.run("--gateway", "runner", "--agent", "killer")
    outcome.counts(errors=2)
    assert outcome.status == 1
    assert list(local.bench_dir.glob("**/killed"))
    report = local.report()
    assert (report.failure_cause, report.failure_phase, report.status) == ("engine_died", "execute", "error")
    assert port_hidden(report.failure_message) == snapshot
    assert local.left() == []
    assert local.members() == []
    assert processes_in(local.root) == []
    assert "Traceback" not in outcome.out


@contextmanager
def outside(project: Project, answers: dict[tuple[str, str], Answer]) -> Iterator[FakeEngine]:
    """An engine elsewhere that does everything right, except where *answers* says otherwise."""

    def script(method: str, path: str) -> Answer:
        path = path.partition("?")[0]
        steps = path.strip("/").split("/")
        what = (method, "/" + "/".join(step if not step.startswith(("agt_", "hst_")) else "ID" for step in steps))
        if what in answers:
            return answers[what]
        if what == ("POST", "/agents/ID/flush"):
            return 200, {"agent_id": steps[1], "forgotten": 0}
        usual: dict[tuple[str, str], Answer] = {
            ("GET", "/health"): (200, HEALTH),
            ("GET", "/agents"): (200, {"agents": []}),
            ("POST", "/hosts"): (201, {}),
            ("POST", "/agents"): (201, {}),
            ("POST", "/tickets"): (201, {"id": "tkt_1"}),
            ("DELETE", "/agents/ID"): (204, b""),
            ("DELETE", "/hosts/ID"): (204, b""),
            ("POST", "/tickets/tkt_1/cancel"): (200, {}),
        }
        return usual.get(what, (404, {"detail": f"no {method} {path}"}))

    with fake_engine(script) as engine:
        project.monkeypatch.setenv("ENGINE_URL", engine.url)
        yield engine


JOB: dict[str, Any] = {"id": "job_1", "revision": 1, "status": "completed", "resolution_status": "success"}
NONSENSE: dict[str, Answer] = {
    "html": (200, b"<html>Bad gateway</html>"),
    "no json object": (200, [1]),
    "status of its own": (200, JOB | {"status": "done-ish"}),
    "finished without a resolution": (200, JOB | {"resolution_status": None}),
    "refused": (418, {"detail": "I am a teapot"}),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("what", NONSENSE)
def test_an_engine_that_answers_nonsense(one: Project, what: str, snapshot: SnapshotAssertion) -> None:
    with outside(one, {("GET", "/tickets/tkt_1/job"): NONSENSE[what]}) as engine:
        outcome = one.run("--gateway", "runner")
        assert ("POST", "/api/v1/tickets/tkt_1/cancel") in engine.requests
    outcome.counts(errors=2)
    report = one.report()
    assert (report.failure_cause, report.failure_phase) == ("engine_nonsense", "execute")
    assert port_hidden(report.failure_message) == snapshot
    assert "Traceback" not in outcome.out
    assert one.left() == []


EARLY: dict[str, dict[tuple[str, str], Answer]] = {
    "no engine": {("GET", "/health"): (200, {"hello": "world"})},
    "wrong key": {("GET", "/agents"): (401, {"detail": "unknown key"})},
    "broken": {("GET", "/health"): (500, b"oops")},
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("what", EARLY)
def test_an_engine_that_is_none_is_told_in_preflight(one: Project, what: str, snapshot: SnapshotAssertion) -> None:
    with outside(one, EARLY[what]):
        outcome = one.run("--gateway", "runner")
    assert port_hidden(outcome.usage_error()) == snapshot


@pytest.mark.usefixtures("impatient")
def test_an_engine_that_does_not_take_the_ticket(one: Project) -> None:
    with outside(one, {("POST", "/tickets"): (422, {"detail": "too many hosts"})}):
        outcome = one.run("--gateway", "runner")
    outcome.counts(errors=2)
    assert one.report().failure_message == "execute: the engine did not take the ticket: too many hosts (HTTP 422)"


def port_hidden(text: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
