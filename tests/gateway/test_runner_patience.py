"""The runner gateway where answers get lost, engines are restarted or busy, and nothing may happen twice."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.engines import registrations, submission
from support.fake_engine import fake_engine
from support.lossy_proxy import LossyProxy, lossy_proxy
from support.plugin_project import Project
from support.sshd import free_port

from pytest_2501bench.engine.process import Endpoint, LocalEngine
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.gateway import http
from pytest_2501bench.gateway.protocol import TicketSubmission
from pytest_2501bench.gateway.runner import RunnerGateway
from pytest_2501bench.sandbox.ledger import Ledger

JOB: dict[str, Any] = {"id": "job_1", "revision": 3, "status": "in_progress", "tasks": []}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """An engine whose agent works until it is stopped. Tests leave no host or agent in it."""
    local = LocalEngine("command", ["sleep", "300"], tmp_path_factory.mktemp("engine"))
    local.start()
    yield local
    local.stop()


@pytest.fixture(scope="module")
def endpoint(engine: LocalEngine) -> Endpoint:
    return engine.wait_ready()


@pytest.fixture
def ticket(request: pytest.FixtureRequest) -> TicketSubmission:
    """A ticket of which no other test knows."""
    return submission(1, correlation_id=f"c-{abs(hash(request.node.nodeid))}")


@pytest.fixture
def proxy(endpoint: Endpoint) -> Iterator[LossyProxy]:
    with lossy_proxy(endpoint.url) as running:
        yield running


@pytest.fixture
def gateway(proxy: LossyProxy, endpoint: Endpoint) -> Iterator[RunnerGateway]:
    runner = RunnerGateway(proxy.url, endpoint.key)
    yield runner
    runner.close()


def asked(endpoint: Endpoint, path: str) -> Any:
    """Ask the engine itself."""
    answer = httpx.get(f"{endpoint.url}/api/v1{path}", headers={"Authorization": f"Bearer {endpoint.key}"})
    return answer.raise_for_status().json()


def raised(cause: Cause, call: Any, *arguments: Any) -> str:
    with pytest.raises(BenchError) as error:
        call(*arguments)
    assert error.value.cause is cause
    return error.value.message


@pytest.mark.parametrize("status", [0, 502, 503, 504])
def test_a_ticket_whose_answer_got_lost_is_there_once(
    gateway: RunnerGateway, proxy: LossyProxy, endpoint: Endpoint, tmp_path: Path, ticket: TicketSubmission, status: int
) -> None:
    hosts, agents = registrations(tmp_path)
    gateway.register(hosts, agents)
    before = len(asked(endpoint, "/tickets")["tickets"])
    proxy.lose, proxy.times, proxy.status = "POST /tickets", 2, status
    reference = gateway.submit(ticket)
    assert proxy.count("POST /tickets") == 3
    tickets = asked(endpoint, "/tickets")["tickets"]
    assert (len(tickets), tickets[0]["id"]) == (before + 1, reference)
    gateway.cancel(reference)
    gateway.unregister(hosts, agents)


@pytest.mark.parametrize(
    "lost",
    ["POST /hosts", "POST /agents", "POST /agents/agt_1/flush", "GET /tickets/.*/job", "POST /tickets/.*/cancel",
     "GET /tickets/[^/]*", "DELETE /agents/agt_1", "DELETE /hosts/hst_1"],
)  # fmt: skip
def test_whatever_answer_gets_lost_the_run_goes_on(
    gateway: RunnerGateway, proxy: LossyProxy, endpoint: Endpoint, tmp_path: Path, ticket: TicketSubmission, lost: str
) -> None:
    proxy.lose = lost
    hosts, agents = registrations(tmp_path)
    gateway.preflight()
    gateway.register(hosts, agents)
    gateway.flush_memory(["agt_1"])
    reference = gateway.submit(ticket)
    gateway.poll(reference)
    gateway.cancel(reference)
    assert gateway.fetch(reference).status == "cancelled"
    gateway.unregister(hosts, agents)
    assert proxy.times == 0
    assert asked(endpoint, "/hosts") == {"hosts": []}
    assert asked(endpoint, "/agents") == {"agents": []}


def test_a_ticket_that_may_be_there_is_stopped_when_its_hosts_go(
    proxy: LossyProxy, endpoint: Endpoint, tmp_path: Path, ticket: TicketSubmission
) -> None:
    impatient = RunnerGateway(proxy.url, endpoint.key, patience=0.3)
    hosts, agents = registrations(tmp_path)
    impatient.register(hosts, agents)
    proxy.lose, proxy.times = "POST /tickets", 1_000
    assert "does not answer" in raised(Cause.SUBMIT_FAILED, impatient.submit, ticket)
    (there,) = asked(endpoint, f"/tickets?correlation_id={ticket.correlation_id}")["tickets"]
    assert asked(endpoint, f"/tickets/{there['id']}/job?wait=5")["status"] != "cancelled"
    impatient.unregister(hosts, agents)
    assert asked(endpoint, f"/tickets/{there['id']}/job")["status"] == "cancelled"
    assert asked(endpoint, "/hosts") == {"hosts": []}
    impatient.close()


def test_an_engine_that_is_restarted_during_a_job_is_waited_for(
    engine: LocalEngine, endpoint: Endpoint, tmp_path: Path, ticket: TicketSubmission
) -> None:
    gateway = RunnerGateway(endpoint.url, endpoint.key, local=True)
    hosts, agents = registrations(tmp_path)
    gateway.register(hosts, agents)
    reference = gateway.submit(ticket)
    while (job := gateway.poll(reference)) is None or job.status == "queued":
        pass
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    later = threading.Timer(6.5, engine.restart)  # more than the five seconds that were too few
    later.start()
    try:
        while (job := gateway.poll(reference)) is None or not job.finished:
            pass
        assert job.cut_off, "an error of the infrastructure: the agent did not give up"
        gateway.unregister(hosts, agents)
    finally:
        later.join()
        gateway.close()


def test_who_was_silent_for_long_is_not_waited_for_as_long_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENT_PATIENCE", 0.0)
    gateway = RunnerGateway(f"http://127.0.0.1:{free_port()}", "k", patience=1.0)
    begun = time.monotonic()
    raised(Cause.ENGINE_DIED, gateway.poll, "tkt_1")
    waited = time.monotonic() - begun
    for _ in range(3):
        raised(Cause.ENGINE_DIED, gateway.cancel, "tkt_1")
    assert time.monotonic() - begun < 3 * waited
    gateway.close()


def test_the_engines_word_that_an_agent_does_not_end_is_no_reason_to_ask_again() -> None:
    with fake_engine(lambda _method, _path: (504, {"detail": "the agent still works"})) as fake:
        gateway = RunnerGateway(fake.url, "k")
        assert "still works" in raised(Cause.ENGINE_DIED, gateway.cancel, "tkt_1")
        assert len(fake.requests) == 1
        gateway.close()


def test_a_broken_answer_to_a_question_is_asked_for_again_and_that_to_a_command_is_not() -> None:
    answers = iter([(500, b"oops"), (200, JOB), (500, b"oops")])
    with fake_engine(lambda _method, _path: next(answers)) as fake:
        gateway = RunnerGateway(fake.url, "k")
        assert gateway.poll("tkt_1") is not None
        assert "oops" not in raised(Cause.SUBMIT_FAILED, gateway.submit, submission(1))
        assert len(fake.requests) == 3
        gateway.close()


@pytest.mark.parametrize(("asks_for", "requests"), [("1", 2), ("61", 1), ("soon", 3)])
def test_an_engine_that_asks_to_be_left_alone_is_for_a_minute_at_most(
    monkeypatch: pytest.MonkeyPatch, asks_for: str, requests: int
) -> None:
    """Also for longer than the patience with one that is silent."""
    times: list[float] = []
    monkeypatch.setattr(http, "_PAUSES", (0.05,))

    def answer(request: httpx.Request) -> httpx.Response:
        times.append(time.monotonic())
        if len(times) < (2 if asks_for == "1" else 3):
            return httpx.Response(429, headers={"Retry-After": asks_for}, json={"detail": "slow down"})
        return httpx.Response(204)

    gateway = RunnerGateway("http://127.0.0.1:1", "k", patience=0.5)
    gateway._client._client = httpx.Client(transport=httpx.MockTransport(answer))
    if asks_for == "61":
        assert "slow down" in raised(Cause.ENGINE_NONSENSE, gateway.poll, "tkt_1")
    else:
        assert gateway.poll("tkt_1") is None
    assert len(times) == requests
    if asks_for == "1":
        assert times[1] - times[0] >= 1
    gateway.close()


def test_an_engine_that_does_not_wait_for_news_is_asked_less_and_less_often() -> None:
    with fake_engine(lambda _method, _path: (200, JOB)) as fake:
        gateway = RunnerGateway(fake.url, "k")
        end = time.monotonic() + 3.5
        while time.monotonic() < end:
            assert gateway.poll("tkt_1") is not None
        assert 4 <= len(fake.requests) <= 7
        gateway.close()


def test_attachments_arrive_as_they_are(
    gateway: RunnerGateway, endpoint: Endpoint, tmp_path: Path, ticket: TicketSubmission
) -> None:
    hosts, agents = registrations(tmp_path)
    gateway.register(hosts, agents)
    log = tmp_path / "error.log"
    log.write_bytes(bytes(range(256)))
    reference = gateway.submit(replace(ticket, attachments=(log,)))
    (file,) = asked(endpoint, f"/tickets/{reference}")["attachments"]
    assert (file["name"], file["size"]) == ("error.log", 256)
    gateway.cancel(reference)
    gateway.unregister(hosts, agents)
    hidden = tmp_path / ".hidden"
    hidden.touch()
    for path in (tmp_path / "gone.log", hidden):
        message = raised(Cause.SUBMIT_FAILED, gateway.submit, submission(1, attachments=(path,)))
        assert message.startswith(f"attachment {path.name}: ")


def test_what_a_killed_session_registered_is_removed_before_the_next_one(endpoint: Endpoint, tmp_path: Path) -> None:
    hosts, agents = registrations(tmp_path, 2)
    ledger = Ledger(tmp_path / "ledger")
    script = f"""
import os, pickle, sys
from pathlib import Path
from pytest_2501bench.gateway.runner import RunnerGateway
from pytest_2501bench.sandbox.ledger import Ledger
gateway = RunnerGateway({endpoint.url!r}, sys.stdin.readline().strip(), ledger=Ledger(Path({str(ledger.directory)!r})))
gateway.register(*pickle.loads(bytes.fromhex(sys.stdin.read())))
os.kill(os.getpid(), 9)
"""
    said = f"{endpoint.key}\n{pickle.dumps(([hosts[0]], [agents[0]])).hex()}"
    subprocess.run([sys.executable, "-c", script], input=said, text=True, timeout=60, check=False)
    gateway = RunnerGateway(endpoint.url, endpoint.key, ledger=ledger)
    gateway.register([hosts[1]], [agents[1]])
    assert len(asked(endpoint, "/hosts")["hosts"]) == 2

    gateway.preflight()

    assert [host["host_id"] for host in asked(endpoint, "/hosts")["hosts"]] == ["hst_2"], "its owner lives"
    assert [agent["agent_id"] for agent in asked(endpoint, "/agents")["agents"]] == ["agt_2"]
    gateway.unregister([hosts[1]], [agents[1]])
    assert ledger.leases() == []
    gateway.close()


def test_what_the_engine_keeps_does_not_keep_the_rest_from_being_removed(tmp_path: Path) -> None:
    def script(_method: str, path: str) -> tuple[int, Any]:
        return (409, {"detail": "in use"}) if path.endswith("_1") else (204, b"")

    with fake_engine(script) as fake:
        gateway = RunnerGateway(fake.url, "k")
        message = raised(Cause.RESTORE_FAILED, gateway.unregister, *registrations(tmp_path, 2))
        assert "agents/agt_1: in use" in message
        assert "hosts/hst_1: in use" in message
        assert len(fake.requests) == 4
        gateway.close()


def test_a_run_that_submits_again_submits_the_same_ticket(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = Project(pytester, monkeypatch, tmp_path)
    project.conftest(
        """
from pathlib import Path

from support.plugin_fakes import FakeGateway

from pytest_2501bench.errors import BenchError, Cause


class Deaf(FakeGateway):
    def submit(self, ticket):
        with Path("submitted").open("a") as file:
            print(ticket.correlation_id, file=file)
        if len(Path("submitted").read_text().split()) < 3:
            raise BenchError(Cause.SUBMIT_FAILED, "the answer got lost")
        return super().submit(ticket)


def pytest_2501bench_gateways(config):
    return {"deaf": lambda settings: Deaf(config.rootpath)}
"""
    )
    project.scenario("one")
    project.run("--gateway", "deaf", "--infra-retries", "2", "scenarios/", apart=True).counts(passed=2)
    ids = (project.root / "submitted").read_text().split()
    assert len(ids) == 3
    assert len(set(ids)) == 1
