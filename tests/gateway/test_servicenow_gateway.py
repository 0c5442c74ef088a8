"""The ServiceNow gateway and the local engine's intake, before a fake instance that is well, busy, slow or gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_servicenow.process import Fake, fake_servicenow
from support.engines import registrations, submission
from support.sshd import free_port

from pytest_2501bench.engine.process import Endpoint, LocalEngine
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import JobRecord, ResolutionStatus
from pytest_2501bench.gateway.http import Refused, Unreachable
from pytest_2501bench.gateway.protocol import Gateway
from pytest_2501bench.gateway.servicenow import ServiceNowGateway
from pytest_2501bench.gateway.servicenow.client import NoInstance, TableClient
from pytest_2501bench.gateway.servicenow.desk import Desk
from pytest_2501bench.gateway.servicenow.instance import Instance
from pytest_2501bench.gateway.servicenow.journal import entries_in

Make = Callable[..., ServiceNowGateway]
POST = {"method": "POST", "path": "/table/incident"}


@pytest.fixture(scope="module")
def instance_process() -> Iterator[Fake]:
    with fake_servicenow("--page-cap", "20") as running:
        yield running


@pytest.fixture
def fake(instance_process: Fake) -> Iterator[Fake]:
    yield instance_process
    instance_process.faults()
    instance_process.set(password="secret-of-bench", journal=None, read_only=False, client_secret="secret-of-client")


@pytest.fixture(scope="module")
def engine(instance_process: Fake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A local engine that does nothing, and takes its tickets from the fake."""
    intake = Instance.of(instance_process.variables).private()
    local = LocalEngine("noop", None, tmp_path_factory.mktemp("engine"), intake=intake)
    yield local.start()
    local.stop()


@pytest.fixture
def make() -> Iterator[Make]:
    with ExitStack() as stack:

        def made(variables: dict[str, str], engine: Endpoint | None = None) -> ServiceNowGateway:
            endpoint = (engine.url, engine.key) if engine else None
            gateway = ServiceNowGateway(Instance.of(variables), endpoint, local=engine is not None)
            stack.callback(gateway.close)
            return gateway

        yield made


@pytest.fixture
def desk(fake: Fake) -> Iterator[Desk]:
    instance = Instance.of(fake.variables)
    client = TableClient(instance, patience=3.0, read_seconds=0.5)
    yield Desk(instance, client)
    client.close()


def refused(cause: Cause, call: Any, *arguments: Any) -> str:
    with pytest.raises(BenchError) as error:
        call(*arguments)
    assert error.value.cause is cause
    assert "\n" not in error.value.message
    assert "secret" not in error.value.message
    return error.value.message


def finished(gateway: ServiceNowGateway, reference: str) -> JobRecord:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        job = gateway.poll(reference)
        if job is not None and job.finished:
            return job
        time.sleep(0.05)
    raise AssertionError("the job did not finish")


def records(fake: Fake, correlation_id: str, table: str = "incident") -> list[dict[str, str]]:
    return [row for row in fake.rows(table) if row["correlation_id"] == correlation_id]


# ---- a whole ticket ----------------------------------------------------------------------------------------------


def test_a_ticket_goes_through_servicenow_and_back(fake: Fake, engine: Endpoint, make: Make, tmp_path: Path) -> None:
    gateway = make(fake.variables | {"SERVICENOW_GROUP": "Linux Operations", "SERVICENOW_CALLER": "caller"}, engine)
    assert isinstance(gateway, Gateway)
    hosts, agents = registrations(tmp_path)
    (tmp_path / "error.log").write_text("it broke")
    gateway.preflight()
    gateway.register(hosts, agents)
    gateway.flush_memory(["agt_1"])
    ticket = submission(1, correlation_id="whole", main_engine="m/1", attachments=(tmp_path / "error.log",))
    reference = gateway.submit(ticket)
    assert gateway.submit(ticket) == reference
    job = finished(gateway, reference)
    assert (job.resolution_status, job.main_engine) == (ResolutionStatus.NO_ACTION, "m/1")
    assert job.tasks is not None
    assert job.tasks[0].host_name == "web-01"
    assert job.tasks[0].executed_commands == ()
    record = gateway.fetch(reference)
    assert record.id.startswith("INC")
    assert (record.status, record.title, record.body) == ("in_progress", "The site is down", "Visitors get an error.")
    assert record.work_notes is not None
    assert record.work_notes[-1] == "Resolution: no_action. No action was taken."
    assert (record.messages, record.comments) == (record.work_notes, ())
    assert record.summary == "No action was taken."
    gateway.unregister(hosts, agents)
    (row,) = records(fake, "whole")
    assert (row["state"], row["close_code"]) == ("7", "No resolution provided")
    assert [file["file_name"] for file in fake.rows("sys_attachment") if file["table_sys_id"] == reference] == [
        "error.log"
    ]
    assert {user["user_name"] for user in fake.rows("sys_user") if user["sys_id"] == row["caller_id"]} == {"caller"}


def test_a_record_may_be_left_as_it_is(fake: Fake, engine: Endpoint, make: Make, tmp_path: Path) -> None:
    gateway = make(fake.oauth | {"SERVICENOW_CLOSE": "no"}, engine)
    hosts, agents = registrations(tmp_path)
    gateway.preflight()
    gateway.register(hosts, agents)
    finished(gateway, gateway.submit(submission(1, correlation_id="left")))
    gateway.unregister(hosts, agents)
    assert [row["state"] for row in records(fake, "left")] == ["2"]


def test_a_record_that_nobody_announced_is_left_alone(fake: Fake, engine: Endpoint, desk: Desk) -> None:
    ticket = desk.open("Somebody else's", "", "strange")
    time.sleep(1.0)
    assert desk.read(ticket.sys_id).state == "1"


def test_a_cancelled_job_cancels_its_record(fake: Fake, make: Make, tmp_path: Path) -> None:
    script = tmp_path / "agent.sh"
    script.write_text("#!/bin/sh\nsleep 30\n")
    script.chmod(0o755)
    intake = Instance.of(fake.variables).private()
    local = LocalEngine("command", [str(script)], tmp_path / "engine", intake=intake)
    try:
        gateway = make(fake.variables, local.start())
        hosts, agents = registrations(tmp_path)
        gateway.register(hosts, agents)
        reference = gateway.submit(submission(1, correlation_id="stop"))
        end = time.monotonic() + 10
        while (job := gateway.poll(reference)) is None or job.status != "in_progress":
            assert time.monotonic() < end
        gateway.cancel(reference)
        assert finished(gateway, reference).status == "cancelled"
        assert gateway.fetch(reference).status == "cancelled"
    finally:
        local.stop()


def test_a_record_that_no_engine_takes_is_not_the_agents_fault(
    fake: Fake, make: Make, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    elsewhere = LocalEngine("noop", None, tmp_path_factory.mktemp("elsewhere"))
    try:
        gateway = make(fake.variables, elsewhere.start())
        hosts, agents = registrations(tmp_path)
        gateway.register(hosts, agents)
        reference = gateway.submit(submission(1, correlation_id="nobody"))
        assert gateway.poll(reference) is None
        assert "no engine took INC" in refused(Cause.ENGINE_DIED, gateway.cancel, reference)
        assert [row["state"] for row in records(fake, "nobody")] == ["8"]
    finally:
        elsewhere.stop()


# ---- an engine without an API ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "states"),
    [
        ("incident", ("2", "6", "Solution provided")),
        ("change_request", ("-1", "0", "successful")),
    ],
)
def test_without_an_api_the_job_is_what_the_record_says(
    fake: Fake, make: Make, table: str, states: tuple[str, str, str]
) -> None:
    gateway = make(fake.variables | {"SERVICENOW_TABLE": table})
    gateway.preflight()
    reference = gateway.submit(submission(correlation_id=f"outside-{table}"))
    instance = Instance.of(fake.variables | {"SERVICENOW_TABLE": table})
    people = TableClient(instance)
    assert gateway.poll(reference) is None
    people.change(table, reference, {"state": states[0], "comments": "We are on it."})
    job = gateway.poll(reference)
    assert job is not None
    assert (job.status, job.finished, job.tasks) == ("in_progress", False, None)
    people.change(table, reference, {"state": states[1], "close_code": states[2], "close_notes": "Restarted."})
    job = finished(gateway, reference)
    assert (job.resolution_status, job.resolution_summary) == (ResolutionStatus.SUCCESS, "Restarted.")
    assert job.tasks is None
    record = gateway.fetch(reference)
    assert (record.status, record.comments, record.work_notes) == ("resolved", ("We are on it.",), ())
    gateway.unregister((), ())
    assert records(fake, f"outside-{table}", table)[0]["active"] == "false"
    people.close()


def test_without_an_api_fresh_hosts_cannot_be_told(fake: Fake, make: Make, tmp_path: Path) -> None:
    gateway = make(fake.variables)
    hosts, agents = registrations(tmp_path)
    assert "cannot be told" in refused(Cause.SUBMIT_FAILED, gateway.register, hosts, agents)
    gateway.register(hosts, [replace(agents[0], existing=True)])
    gateway.flush_memory(["agt_1"])


# ---- one ticket, however the answers come ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502, "after": True},
        {"status": 500},
        {"delay": 1.0, "after": True},
        {"cut": True, "after": True},
        {"status": 429, "retry_after": "1"},
        {"status": 503, "times": 2},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_an_unclear_answer_makes_one_record(fake: Fake, desk: Desk, fault: dict[str, Any]) -> None:
    desk.client.patience = 20.0
    correlation_id = f"unclear-{time.time_ns()}"
    fake.break_next(**POST, **fault)
    ticket = desk.open("t", "b", correlation_id)
    assert [row["sys_id"] for row in records(fake, correlation_id)] == [ticket.sys_id]


def test_a_record_that_a_slow_instance_made_twice_is_cancelled(fake: Fake, desk: Desk) -> None:
    for _ in range(2):
        desk.client.create("incident", {"short_description": "t", "correlation_id": "twice"})
    ticket = desk.open("t", "b", "twice")
    assert {row["number"]: row["state"] for row in records(fake, "twice")} == {
        ticket.number: "1",
        f"INC{int(ticket.number[3:]) + 1:07}": "8",
    }


def test_a_work_note_with_a_lost_answer_is_posted_once(fake: Fake, desk: Desk) -> None:
    ticket = desk.open("t", "b", "noted")
    fake.break_next(method="PATCH", status=504, after=True)
    desk.note(ticket.sys_id, "line one\r\n  line two")
    fake.break_next(method="PATCH", status=504)
    desk.note(ticket.sys_id, "second")
    assert [entry.text.split() for entry in desk.journal(ticket.sys_id)] == [["line", "one", "line", "two"], ["second"]]


def test_a_file_with_a_lost_answer_is_attached_once(fake: Fake, desk: Desk, tmp_path: Path) -> None:
    ticket = desk.open("t", "b", "filed")
    (tmp_path / "a.log").write_bytes(b"x")
    fake.break_next(path="/attachment/file", status=502, after=True)
    desk.attach(ticket, (tmp_path / "a.log",))
    assert len(desk.client.attachments(ticket.sys_id)) == 1


def test_a_title_that_is_too_long_comes_back_whole(desk: Desk) -> None:
    title, body = "long " * 50, "first\n\nsecond"
    ticket = desk.read(desk.open(title, body, "long").sys_id)
    assert (ticket.title, ticket.body) == (title, body)


# ---- reading -----------------------------------------------------------------------------------------------------


def test_all_pages_are_read_also_where_the_instance_caps_them(fake: Fake, desk: Desk) -> None:
    for number in range(45):
        desk.client.create("incident", {"short_description": f"cap {number:02}"})
    query = "short_descriptionSTARTSWITHcap^ORDERBYshort_description"
    rows = desk.client.rows("incident", query, ("short_description",))
    assert [row["short_description"] for row in rows] == [f"cap {number:02}" for number in range(45)]
    assert len(desk.client.rows("incident", query, ("number",), limit=3)) == 3


@pytest.mark.parametrize("journal", [None, "forbidden", "hidden"])
def test_the_journal_is_read_also_where_only_administrators_see_its_table(
    fake: Fake, desk: Desk, journal: str | None
) -> None:
    ticket = desk.open("t", "b", f"journal-{journal}")
    desk.note(ticket.sys_id, "note one\n\nwith (brackets) - and a dash")
    desk.client.change_once("incident", ticket.sys_id, {"comments": "comment"})
    desk.note(ticket.sys_id, "note two")
    fake.set(journal=journal)
    entries = [(entry.element, entry.text) for entry in desk.journal(ticket.sys_id)]
    assert sorted(entries) == [
        ("comments", "comment"),
        ("work_notes", "note one\n\nwith (brackets) - and a dash"),
        ("work_notes", "note two"),
    ]
    assert [text for element, text in entries if element == "work_notes"][-1] == "note two"


def test_a_journal_without_entries_is_empty() -> None:
    assert entries_in("comments", "") == []


# ---- busy, slow, gone --------------------------------------------------------------------------------------------


def test_an_instance_that_asks_to_wait_is_not_asked_before(fake: Fake, desk: Desk) -> None:
    fake.break_next(status=429, retry_after="1")
    before = time.monotonic()
    desk.client.rows("incident", "", ("number",), limit=1)
    assert 1.0 <= time.monotonic() - before < 10.0


def test_a_wait_beyond_our_patience_is_refused_at_once(fake: Fake, desk: Desk) -> None:
    fake.break_next(status=429, retry_after="3600")
    before = time.monotonic()
    with pytest.raises(Refused) as error:
        desk.client.rows("incident", "", ("number",), limit=1)
    assert (error.value.status, time.monotonic() - before < 60) == (429, True)


def test_an_instance_that_stays_broken_is_given_up(fake: Fake, desk: Desk) -> None:
    fake.break_next(status=503, times=1000)
    before = time.monotonic()
    with pytest.raises(Refused, match="Service Unavailable"):
        desk.client.rows("incident", "", ("number",), limit=1)
    assert 2.5 < time.monotonic() - before < 60
    assert len([request for request in fake.requests() if "sysparm_limit=1&" in request[1]]) < 40


def test_an_instance_that_does_not_answer_is_silence(fake: Fake, desk: Desk) -> None:
    desk.client.patience = 0.2
    fake.break_next(delay=0.8, times=5)
    with pytest.raises(Unreachable, match="no answer in time"):
        desk.client.rows("incident", "", ("number",), limit=1)
    time.sleep(0.8)


@pytest.mark.parametrize("body", ["<html>Your instance is hibernating</html>", '{"result": {}}', "[]"])
def test_what_is_no_answer_of_the_api_is_told(fake: Fake, make: Make, desk: Desk, body: str) -> None:
    fake.break_next(body=body)
    with pytest.raises(NoInstance):
        desk.client.rows("incident", "", ("number",))
    fake.break_next(body=body)
    assert "is no ServiceNow instance that is awake" in refused(
        Cause.GATEWAY_UNAVAILABLE, make(fake.variables).preflight
    )


def test_preflight_tells_what_cannot_work(fake: Fake, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = fake.variables | {"SERVICENOW_PASSWORD": "wrong"}
    message = refused(Cause.GATEWAY_UNAVAILABLE, make(wrong).preflight)
    assert message.startswith("SERVICENOW_USER and SERVICENOW_PASSWORD are not accepted: User Not Authenticated")
    wrong = fake.oauth | {"SERVICENOW_CLIENT_SECRET": "wrong"}
    assert "SERVICENOW_CLIENT_SECRET are not accepted" in refused(
        Cause.GATEWAY_UNAVAILABLE, make(wrong).preflight
    ).replace("secret", "")
    nobody = fake.variables | {"SERVICENOW_GROUP": "Nobody"}
    assert "SERVICENOW_GROUP=Nobody: no such name" in refused(Cause.GATEWAY_UNAVAILABLE, make(nobody).preflight)
    monkeypatch.setattr("pytest_2501bench.gateway.servicenow.gateway.PREFLIGHT_PATIENCE", 0.3)
    gone = fake.variables | {"SERVICENOW_URL": f"http://127.0.0.1:{free_port()}"}
    assert "no answer from http://127.0.0.1" in refused(Cause.GATEWAY_UNAVAILABLE, make(gone).preflight)


def test_a_refused_record_is_a_failed_submission(fake: Fake, make: Make) -> None:
    fake.set(read_only=True)
    gateway = make(fake.variables)
    assert "does not allow this user" in refused(Cause.SUBMIT_FAILED, gateway.submit, submission(correlation_id="ro"))
    assert records(fake, "ro") == []


def test_a_login_that_ends_during_the_run_is_not_the_agents_fault(fake: Fake, make: Make) -> None:
    gateway = make(fake.variables)
    reference = gateway.submit(submission(correlation_id="locked"))
    fake.set(password="another")
    assert "are not accepted" in refused(Cause.ENGINE_DIED, gateway.poll, reference)
    assert "are not accepted" in refused(Cause.ENGINE_DIED, gateway.fetch, reference)


def test_a_revoked_token_is_replaced(fake: Fake, make: Make) -> None:
    gateway = make(fake.oauth)
    reference = gateway.submit(submission(correlation_id="token"))
    fake.set(forget_tokens=True)
    assert gateway.poll(reference) is None
    fake.set(forget_tokens=True)
    fake.break_next(path="/oauth_token.do", status=503)
    assert gateway.fetch(reference).status == "new"


def test_a_record_that_was_deleted_is_told(fake: Fake, make: Make, desk: Desk) -> None:
    gateway = make(fake.variables)
    reference = gateway.submit(submission(correlation_id="deleted"))
    desk.client._client.delete(f"/api/now/table/incident/{reference}")
    assert "no longer has the record" in refused(Cause.ENGINE_DIED, gateway.poll, reference)
    assert "was not closed" in refused(Cause.RESTORE_FAILED, gateway.unregister, (), ())
