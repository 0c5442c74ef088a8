"""The runner gateway before a real engine, a killed one, and a fake one that is not well."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.engines import registrations, submission
from support.fake_engine import fake_engine
from support.sshd import free_port

from pytest_2501bench.engine.process import Endpoint, LocalEngine
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import JobRecord, ResolutionStatus
from pytest_2501bench.gateway.protocol import Gateway
from pytest_2501bench.gateway.runner import RunnerGateway

JOB: dict[str, Any] = {
    "id": "job_1",
    "revision": 3,
    "status": "completed",
    "resolution_status": "success",
    "tasks": [{"id": "tsk_1", "status": "completed", "executed_commands": [{"command": "id"}]}],
}


@pytest.fixture(scope="module")
def noop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    engine = LocalEngine("noop", None, tmp_path_factory.mktemp("noop"))
    yield engine.start()
    engine.stop()


@pytest.fixture
def gateway(noop: Endpoint) -> Iterator[RunnerGateway]:
    runner = RunnerGateway(noop.url, noop.key, local=True)
    yield runner
    runner.close()


def refused(cause: Cause, call: Any, *arguments: Any) -> str:
    """Return the message of the error that *call* raises, which must have *cause*."""
    with pytest.raises(BenchError) as error:
        call(*arguments)
    assert error.value.cause is cause
    assert "\n" not in error.value.message
    return error.value.message


def finished(gateway: RunnerGateway, reference: str) -> JobRecord:
    while True:
        job = gateway.poll(reference)
        if job is not None and job.finished:
            return job


def test_it_is_a_gateway(gateway: RunnerGateway) -> None:
    assert isinstance(gateway, Gateway)


def test_a_ticket_goes_all_the_way(gateway: RunnerGateway, tmp_path: Path) -> None:
    hosts, agents = registrations(tmp_path, 2)
    gateway.preflight()
    gateway.register(hosts, agents)
    gateway.register(hosts, agents)
    gateway.flush_memory([a.agent_id for a in agents])
    ticket = submission(1, 2, correlation_id="all", main_engine="m/1", secondary_engine="m/2")
    reference = gateway.submit(ticket)
    assert gateway.submit(ticket) == reference
    job = finished(gateway, reference)
    assert (job.status, job.resolution_status) == ("completed", ResolutionStatus.NO_ACTION)
    assert (job.main_engine, job.secondary_engine) == ("m/1", "m/2")
    assert job.tasks is not None
    assert [t.host_name for t in job.tasks] == ["web-01", "web-02"]
    assert job.tasks[0].executed_commands == ()
    assert job.tasks[0].input_tokens is None
    record = gateway.fetch(reference)
    assert (record.id, record.status, record.summary) == (reference, "in_progress", "No action was taken.")
    assert record.messages is not None
    assert record.messages[-1] == "Resolution: no_action. No action was taken."
    gateway.cancel(reference)
    gateway.unregister(hosts, agents)
    gateway.unregister(hosts, agents)


def test_a_job_of_a_quick_agent_costs_no_waiting(gateway: RunnerGateway, tmp_path: Path) -> None:
    hosts, agents = registrations(tmp_path)
    gateway.register(hosts, agents)
    before = time.monotonic()
    for n in range(10):
        finished(gateway, gateway.submit(submission(1, correlation_id=f"quick-{n}")))
    assert time.monotonic() - before < 4, "somebody slept between two looks"
    gateway.unregister(hosts, agents)


def test_a_refused_registration_or_ticket_names_what_is_wrong(gateway: RunnerGateway, tmp_path: Path) -> None:
    hosts, agents = registrations(tmp_path)
    message = refused(Cause.SUBMIT_FAILED, gateway.register, [], agents)
    assert message == "the engine did not register host or agent: /host_id: no host 'hst_1' is registered (HTTP 409)"
    assert "no host 'hst_1'" in refused(Cause.SUBMIT_FAILED, gateway.submit, submission(1, correlation_id="none"))
    assert "no agent 'agt_1'" in refused(Cause.FLUSH_FAILED, gateway.flush_memory, ["agt_1"])
    gone = replace(hosts[0], ssh=replace(hosts[0].ssh, identity_file=tmp_path / "gone"))
    assert "its SSH key cannot be read" in refused(Cause.SUBMIT_FAILED, gateway.register, [gone], [])


def test_existing_agents_of_an_outside_engine_are_only_looked_up(noop: Endpoint, tmp_path: Path) -> None:
    hosts, agents = registrations(tmp_path)
    ours = RunnerGateway(noop.url, noop.key, local=True)
    outside = RunnerGateway(noop.url, noop.key)
    existing = [replace(agents[0], existing=True)]
    assert "no host" in refused(Cause.SUBMIT_FAILED, outside.register, hosts, existing)
    ours.register(hosts, existing)
    outside.register(hosts, existing)
    outside.unregister(hosts, existing)
    ours.flush_memory(["agt_1"])
    ours.unregister(hosts, existing)
    ours.close()
    outside.close()


def test_a_wrong_key_is_told_in_preflight(noop: Endpoint) -> None:
    gateway = RunnerGateway(noop.url, "wrong")
    message = refused(Cause.GATEWAY_UNAVAILABLE, gateway.preflight)
    assert message.startswith("ENGINE_API_KEY is not accepted")
    gateway.close()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x", "http://", "http://u:pw@h/"])
def test_a_wrong_address_is_told_without_what_is_secret_in_it(url: str) -> None:
    message = refused(Cause.GATEWAY_UNAVAILABLE, RunnerGateway, url, "k")
    assert message.startswith("ENGINE_URL: ")
    assert "pw" not in message


@pytest.mark.parametrize("key", ["", "a\nb", "ключ"])
def test_a_wrong_form_of_key_is_told_without_showing_it(key: str) -> None:
    message = refused(Cause.GATEWAY_UNAVAILABLE, RunnerGateway, "http://h", key)
    assert message.startswith("ENGINE_API_KEY: ")
    assert not key or key not in message


def test_nobody_there_is_told_by_phase() -> None:
    gateway = RunnerGateway(f"http://127.0.0.1:{free_port()}", "k", patience=0.3)
    assert "no engine answers at" in refused(Cause.GATEWAY_UNAVAILABLE, gateway.preflight)
    assert "does not answer" in refused(Cause.SUBMIT_FAILED, gateway.submit, submission(1))
    assert "does not answer" in refused(Cause.FLUSH_FAILED, gateway.flush_memory, ["agt_1"])
    assert "stopped answering" in refused(Cause.ENGINE_DIED, gateway.poll, "tkt_1")
    assert "stopped answering" in refused(Cause.ENGINE_DIED, gateway.fetch, "tkt_1")
    gateway.close()
    gateway.close()


def test_an_engine_killed_in_the_middle_of_a_job_is_engine_died(tmp_path: Path) -> None:
    engine = LocalEngine("command", ["sleep", "300"], tmp_path)
    endpoint = engine.start()
    gateway = RunnerGateway(endpoint.url, endpoint.key, local=True, patience=0.5)
    gateway.register(*registrations(tmp_path))
    reference = gateway.submit(submission(1))
    assert gateway.poll(reference) is not None
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    before = time.monotonic()
    assert "stopped answering" in refused(Cause.ENGINE_DIED, gateway.poll, reference)
    assert time.monotonic() - before < 20
    gateway.close()
    engine.stop()


def test_an_engine_that_was_restarted_without_its_tickets_is_engine_died(gateway: RunnerGateway) -> None:
    message = refused(Cause.ENGINE_DIED, gateway.poll, "tkt_gone")
    assert message == "the engine no longer knows ticket tkt_gone; was it restarted?"


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (b"<html>", "Invalid JSON"),
        (b"", "Invalid JSON"),
        ([], "object"),
        ({}, "/id: Field required"),
        (JOB | {"status": "asleep"}, "/status: Input should be"),
        (JOB | {"revision": "3"}, "/revision: Input should be a valid integer"),
        (JOB | {"resolution_status": "fine"}, "/resolution_status: Input should be"),
        (JOB | {"resolution_status": None}, "/resolution_status: null, but the job is completed"),
        (JOB | {"tasks": {}}, "/tasks: Input should be a valid"),
        (JOB | {"tasks": [{"id": "t"}]}, "/tasks/0/status: Field required"),
        (JOB | {"tasks": [{"id": "t", "status": "completed", "executed_commands": ["id"]}]}, "/executed_commands/0: "),
        (JOB | {"started_at": "noon"}, "/started_at: Input should be a valid number"),
        (b'{"id": "j", "revision": 1, "status": "queued", "started_at": NaN}', "/started_at: "),
        (JOB | {"tasks": [{"id": "t", "status": "completed", "input_tokens": -1}]}, "/tasks/0/input_tokens: "),
    ],
)
def test_nonsense_is_told_with_its_field(answer: Any, field: str) -> None:
    with fake_engine(lambda _method, _path: (200, answer)) as fake:
        gateway = RunnerGateway(fake.url, "k")
        message = refused(Cause.ENGINE_NONSENSE, gateway.poll, "tkt_1")
        assert message.startswith("the engine's answer to GET job breaks its API: ")
        assert field in message
        gateway.close()


def test_what_an_engine_does_not_say_stays_unknown_and_what_it_says_more_is_no_harm() -> None:
    with fake_engine(lambda _method, _path: (200, JOB | {"mood": "good"})) as fake:
        gateway = RunnerGateway(fake.url, "k")
        job = gateway.poll("tkt_1")
        assert job is not None
        assert job.tasks is not None
        assert job.plan is None
        task = job.tasks[0]
        assert (task.agent_messages, task.operational_rules, task.summary, task.cost_usd) == (None, None, None, None)
        assert task.executed_commands is not None
        assert task.executed_commands[0].exit_status is None
        gateway.close()


def test_no_job_yet_is_none() -> None:
    with fake_engine(lambda _method, _path: (204, b"")) as fake:
        gateway = RunnerGateway(fake.url, "k")
        assert gateway.poll("tkt_1") is None
        gateway.close()


@pytest.mark.parametrize("reference", ["", "../agents", "a b", 7, None])
def test_a_reference_that_is_none_is_nonsense(reference: object) -> None:
    with fake_engine(lambda _method, _path: (201, {"id": reference})) as fake:
        gateway = RunnerGateway(fake.url, "k")
        assert "/id: " in refused(Cause.ENGINE_NONSENSE, gateway.submit, submission(1))
        gateway.close()


def test_another_service_at_the_address_is_no_engine() -> None:
    for answer in ((200, {"status": "ok"}), (200, b"hello"), (404, b"nothing"), (302, b"")):
        with fake_engine(lambda _method, _path, answer=answer: answer) as fake:  # type: ignore[misc]
            gateway = RunnerGateway(fake.url, "k")
            refused(Cause.GATEWAY_UNAVAILABLE, gateway.preflight)
            gateway.close()


def test_a_busy_engine_and_a_cut_connection_are_tried_again() -> None:
    answers = iter([(0, b""), (503, {"detail": "busy"}), (429, {"detail": "slow down"}), (200, JOB)])
    with fake_engine(lambda _method, _path: next(answers)) as fake:
        gateway = RunnerGateway(fake.url, "k")
        job = gateway.poll("tkt_1")
        assert job is not None
        assert job.finished
        assert len(fake.requests) == 4
        gateway.close()


def test_a_refusal_is_not_tried_again() -> None:
    with fake_engine(lambda _method, _path: (409, {"detail": "belongs to another\nticket"})) as fake:
        gateway = RunnerGateway(fake.url, "k")
        message = refused(Cause.SUBMIT_FAILED, gateway.submit, submission(1))
        assert message == "the engine did not take the ticket: belongs to another ticket (HTTP 409)"
        assert len(fake.requests) == 1
        gateway.close()


def test_an_engine_that_breaks_during_the_job_is_engine_died() -> None:
    with fake_engine(lambda _method, _path: (500, b"Internal Server Error")) as fake:
        gateway = RunnerGateway(fake.url, "k", patience=0.3)
        message = refused(Cause.ENGINE_DIED, gateway.poll, "tkt_1")
        assert message == "the engine did not give the ticket's job: HTTP 500 Internal Server Error"
        gateway.close()


def test_a_proxy_for_the_world_outside_is_not_asked_for_this_machine(
    gateway: RunnerGateway, noop: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    fresh = RunnerGateway(noop.url, noop.key)
    fresh.preflight()
    fresh.close()


def test_the_key_is_in_no_message_repr_or_log(noop: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    gateway = RunnerGateway(noop.url, noop.key)
    gateway.preflight()
    refused(Cause.ENGINE_DIED, gateway.poll, "tkt_gone")
    gateway.close()
    assert noop.key not in caplog.text + repr(gateway) + repr(vars(gateway))
