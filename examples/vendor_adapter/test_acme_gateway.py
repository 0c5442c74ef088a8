"""The adapter before a fake acme runner: what a gateway has to keep to, and that acme's words arrive as ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acme_gateway import AcmeGateway, job_of
from fake_acme import TOKEN, FakeAcme, fake_acme

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import JobRecord
from pytest_2501bench.gateway.protocol import AgentRegistration, Gateway, HostRegistration, TicketSubmission
from pytest_2501bench.sandbox.protocol import SshSettings

TICKET = TicketSubmission("Disk full", "Writes fail.", "run_1", ("hst_1",), ("agt_1",), 60.0, main_engine="m/1")
AGENT = AgentRegistration("agt_1", "Fixer", "hst_1", "SERVICES_MANAGER")


@pytest.fixture
def acme() -> Iterator[FakeAcme]:
    with fake_acme() as running:
        yield running


@pytest.fixture
def gateway(acme: FakeAcme) -> Iterator[AcmeGateway]:
    adapter = AcmeGateway(acme.url, TOKEN)
    adapter.client.patience = 2.0
    yield adapter
    adapter.close()


@pytest.fixture
def host(tmp_path: Path) -> HostRegistration:
    key = tmp_path / "key"
    key.write_text("CANARY")
    return HostRegistration("hst_1", "web-01", SshSettings("root", key, key, "web-01", address="192.0.2.10"))


def refused(cause: Cause, call: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(BenchError) as error:
        call(*arguments)
    assert error.value.cause is cause
    assert "CANARY" not in error.value.message
    return error.value.message


def finished(gateway: AcmeGateway, reference: str) -> JobRecord:
    while (job := gateway.poll(reference)) is None or not job.finished:
        pass
    return job


def test_a_ticket_goes_all_the_way_and_nothing_is_left(
    acme: FakeAcme, gateway: AcmeGateway, host: HostRegistration
) -> None:
    assert isinstance(gateway, Gateway)
    gateway.preflight()
    gateway.register([host], [AGENT])
    gateway.register([host], [AGENT])
    gateway.flush_memory(["agt_1"])
    assert [row["flushes"] for row in acme.tables["operators"].values()] == [1]
    reference = gateway.submit(TICKET)
    assert gateway.poll(reference) is None
    job = finished(gateway, reference)
    assert (job.status, job.resolution_status, job.cut_off) == ("completed", "success", False)
    (task,) = job.tasks or ()
    assert (task.host_id, task.host_name, task.agent_id, task.agent_name) == ("hst_1", "web-01", "agt_1", "Fixer")
    assert [command.command for command in task.executed_commands or ()] == ["du -sh /var/log"]
    assert (task.input_tokens, task.output_tokens, task.cost_usd) == (120, 30, 0.025)
    ticket = gateway.fetch(reference)
    assert (ticket.status, ticket.messages, ticket.summary) == ("resolved", ("Taken.",), "Removed the log.")
    gateway.unregister([host], [AGENT])
    gateway.unregister([host], [AGENT])
    assert (acme.tables["machines"], acme.tables["operators"]) == ({}, {})


def test_existing_hosts_and_agents_are_looked_up_and_left_untouched(
    acme: FakeAcme, gateway: AcmeGateway, host: HostRegistration
) -> None:
    existing = replace(AGENT, existing=True)
    assert "no machine 'hst_1'" in refused(Cause.SUBMIT_FAILED, gateway.register, [host], [existing])
    gateway.register([host], [AGENT])
    before = str(acme.tables)
    gateway.register([host], [existing])
    gateway.unregister([host], [existing])
    assert str(acme.tables) == before


@pytest.mark.parametrize("lost", ["POST /incidents", "POST /machines", "POST /operators"])
def test_an_answer_that_got_lost_makes_nothing_twice(
    acme: FakeAcme, gateway: AcmeGateway, host: HostRegistration, lost: str
) -> None:
    acme.drop = lost
    gateway.register([host], [AGENT])
    gateway.submit(TICKET)
    assert [len(rows) for rows in acme.tables.values()] == [1, 1, 1]
    assert acme.asked.count(lost) == 2


def test_a_ticket_that_may_be_there_is_withdrawn_with_the_hosts(
    acme: FakeAcme, gateway: AcmeGateway, host: HostRegistration
) -> None:
    gateway.register([host], [AGENT])
    gateway.client.patience, acme.drop = 0.0, "POST /incidents"
    refused(Cause.SUBMIT_FAILED, gateway.submit, TICKET)
    gateway.unregister([host], [AGENT])
    assert [row["withdrawn"] for row in acme.tables["incidents"].values()] == [1]


def test_cancel_returns_when_the_work_has_stopped(acme: FakeAcme, gateway: AcmeGateway) -> None:
    acme.works = False
    reference = gateway.submit(TICKET)
    gateway.cancel(reference)
    job = gateway.poll(reference)
    assert job is not None
    assert (job.status, job.resolution_status) == ("cancelled", "hard_failure")
    assert gateway.fetch(reference).status == "cancelled"


def test_silence_is_the_engines_fault_and_giving_up_the_agents(acme: FakeAcme, gateway: AcmeGateway) -> None:
    acme.verdict = "GAVE_UP"
    reference = gateway.submit(TICKET)
    assert finished(gateway, reference).resolution_status == "agentic_failure"
    nowhere = AcmeGateway("http://127.0.0.1:9", TOKEN)
    nowhere.client.patience = 0.2
    assert "does not answer" in refused(Cause.ENGINE_DIED, nowhere.poll, reference)
    nowhere.close()


def test_a_fault_of_the_platform_is_not_counted_against_the_agent(acme: FakeAcme, gateway: AcmeGateway) -> None:
    acme.verdict = "PLATFORM_FAULT"
    assert finished(gateway, gateway.submit(TICKET)).cut_off


def test_what_acme_does_not_say_is_unknown_and_not_nothing(acme: FakeAcme, gateway: AcmeGateway) -> None:
    acme.shell_log = None
    (task,) = finished(gateway, gateway.submit(TICKET)).tasks or ()
    assert (task.executed_commands, task.agent_messages, task.operational_rules) == (None, None, None)


@pytest.mark.parametrize(
    ("work", "field"),
    [
        ({"state": "ASLEEP"}, "/state: 'ASLEEP'"),
        ({"state": "DONE"}, "/verdict: null"),
        ({"state": "DONE", "verdict": "FINE"}, "/verdict: 'FINE'"),
        ({"state": "RUNNING", "steps": [{"step_no": 1, "state": "LOST"}]}, "/steps/state: 'LOST'"),
    ],
)
def test_a_word_that_nobody_knows_is_named_and_not_guessed(work: dict[str, Any], field: str) -> None:
    assert field in refused(Cause.ENGINE_NONSENSE, job_of, "101", work)


def test_a_wrong_token_or_address_ends_the_session_before_it_begins(acme: FakeAcme) -> None:
    wrong = AcmeGateway(acme.url, "wrong")
    assert refused(Cause.GATEWAY_UNAVAILABLE, wrong.preflight) == "acme refused GET /ping: bad token (HTTP 401)"
    wrong.close()
