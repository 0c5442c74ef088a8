"""The local engine's intake: what its agents get of a record, what the record gets back, also after a crash."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_servicenow.process import Fake, fake_servicenow
from support.engines import agent_body, host_body

from pytest_2501bench.engine.intake_book import GRACE, Book, Work
from pytest_2501bench.engine.intake_wire import Announcement
from pytest_2501bench.engine.process import Endpoint, LocalEngine
from pytest_2501bench.errors import BenchError
from pytest_2501bench.gateway.servicenow.client import TableClient
from pytest_2501bench.gateway.servicenow.desk import Desk
from pytest_2501bench.gateway.servicenow.instance import Instance

AGENT = """#!/bin/sh
cp "$BENCH_TICKET_JSON" {folder}/seen.json
cat attachments/* > {folder}/attached 2>/dev/null
{{ env; cat /proc/$PPID/environ 2>/dev/null; }} > {folder}/environment
touch {folder}/began
while [ -e {folder}/wait ]; do sleep 0.05; done
echo "All is well." > "$BENCH_REPORT"
"""


@pytest.fixture(scope="module")
def instance_process() -> Iterator[Fake]:
    with fake_servicenow() as running:
        yield running


@pytest.fixture
def fake(instance_process: Fake) -> Iterator[Fake]:
    yield instance_process
    instance_process.faults()
    instance_process.set(changes_need_approval=False)


@pytest.fixture
def start(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LocalEngine]]:
    """Start an engine whose agent keeps what it saw in the folder, and waits while there is a file ``wait``."""
    monkeypatch.setenv("SERVICENOW_PASSWORD", "secret-of-the-session")
    started: list[LocalEngine] = []
    script = tmp_path / "agent.sh"
    script.write_text(AGENT.format(folder=tmp_path))
    script.chmod(0o755)

    def begin(**more: Any) -> LocalEngine:
        variables = fake.variables | more.pop("variables", {})
        intake = Instance.of(variables).private() | more
        local = LocalEngine("command", [str(script)], tmp_path / "engine", intake=intake)
        started.append(local)
        endpoint = local.start()
        post(endpoint, "hosts", host_body(address="127.0.0.1", port=9))
        post(endpoint, "agents", agent_body())
        return local

    yield begin
    for local in started:
        local.stop()


@pytest.fixture
def desk_of(fake: Fake) -> Iterator[Callable[..., Desk]]:
    with contextlib.ExitStack() as stack:

        def made(**variables: str) -> Desk:
            instance = Instance.of(fake.variables | variables)
            client = TableClient(instance)
            stack.callback(client.close)
            return Desk(instance, client)

        yield made


def post(engine: Endpoint, what: str, body: Any, method: str = "POST") -> httpx.Response:
    headers = {"Authorization": f"Bearer {engine.key}"}
    return httpx.request(method, f"{engine.url}/api/v1/{what}", json=body, headers=headers, trust_env=False)


def until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


def state_of(desk: Desk, sys_id: str) -> str:
    return desk.read(sys_id).state


def test_an_engine_works_every_new_record_of_its_group(
    fake: Fake, start: Callable[..., LocalEngine], tmp_path: Path, desk_of: Callable[..., Desk]
) -> None:
    group = {"SERVICENOW_GROUP": "Linux Operations"}
    desk, others = desk_of(**group), desk_of(SERVICENOW_GROUP="Network")
    strange = others.open("web-01 is not ours", "", "")
    (tmp_path / "error.log").write_text("it broke")
    start(whole_group=True, variables=group)
    sys_id = desk.client.create("incident", {"short_description": "web-01 is down", "comments": "since noon"})["sys_id"]
    desk.attach(desk.read(sys_id), (tmp_path / "error.log",))
    desk.client.change("incident", sys_id, {"assignment_group": desk.group() or ""})
    until(lambda: state_of(desk, sys_id) == "6")
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert (seen["title"], seen["hosts"]) == ("web-01 is down", ["web-01"])
    assert seen["assignment_group"] == "Linux Operations"
    assert (tmp_path / "attached").read_text() == "it broke"
    record = desk.read(sys_id)
    assert (record.close_code, record.close_notes) == ("Solution provided", "All is well.")
    journal = desk.journal(sys_id)
    assert [entry.text for entry in journal if entry.element == "comments"] == ["since noon"]
    assert [entry.text for entry in journal][-1] == "Resolution: success. All is well."
    assert state_of(desk, strange.sys_id) == "1"
    told = (tmp_path / "environment").read_bytes() + (tmp_path / "seen.json").read_bytes()
    assert b"PATH=" in told
    assert b"secret-of" not in told


@pytest.mark.parametrize("approval", [False, True])
def test_changes_are_worked_and_left_for_review(
    fake: Fake, start: Callable[..., LocalEngine], approval: bool, desk_of: Callable[..., Desk]
) -> None:
    fake.set(changes_need_approval=approval)
    desk = desk_of(SERVICENOW_TABLE="change_request")
    engine = start(variables={"SERVICENOW_TABLE": "change_request"}).wait_ready()
    name = f"change-{approval}"
    assert post(engine, f"intake/{name}", {"host_ids": ["hst_1"]}, "PUT").status_code == 200
    ticket = desk.open("Update web-01", "", name)
    until(lambda: state_of(desk, ticket.sys_id) == "0")
    assert desk.read(ticket.sys_id).close_code == "successful"


def test_an_engine_that_is_killed_goes_on_and_says_nothing_twice(
    fake: Fake, start: Callable[..., LocalEngine], tmp_path: Path, desk_of: Callable[..., Desk]
) -> None:
    (tmp_path / "wait").touch()
    desk = desk_of()
    local = start()
    engine = local.wait_ready()
    for name in ("now", "later"):
        assert post(engine, f"intake/{name}", {"host_ids": ["hst_1"]}, "PUT").status_code == 200
    ticket = desk.open("web-01 is down", "", "now")
    until((tmp_path / "began").exists)
    until(lambda: len(desk.journal(ticket.sys_id)) >= 2)
    assert local.pid is not None
    os.kill(local.pid, signal.SIGKILL)
    until(lambda: not local.alive())
    (tmp_path / "wait").unlink()
    later = desk.open("web-01 is still down", "", "later")
    local.restart()
    until(lambda: desk.journal(ticket.sys_id)[-1].text.startswith("Resolution: "), 30)
    until(lambda: desk.journal(later.sys_id) and desk.journal(later.sys_id)[-1].text.startswith("Resolution: "), 30)
    for sys_id in (ticket.sys_id, later.sys_id):
        texts = [entry.text for entry in desk.journal(sys_id)]
        assert len(set(texts)) == len(texts)
        assert sum(text.endswith("took the ticket.") for text in texts) == 1


def test_what_cannot_be_taken_is_said_on_the_record(
    fake: Fake, start: Callable[..., LocalEngine], desk_of: Callable[..., Desk]
) -> None:
    desk = desk_of()
    engine = start().wait_ready()
    unknown = post(engine, "intake/x", {"host_ids": ["hst_9"]}, "PUT")
    assert (unknown.status_code, unknown.json()["detail"]) == (409, "/host_ids/0: no host 'hst_9' is registered")
    assert post(engine, "intake/gone", {"host_ids": ["hst_1"]}, "PUT").status_code == 200
    headers = {"Authorization": f"Bearer {engine.key}"}
    httpx.delete(f"{engine.url}/api/v1/hosts/hst_1", headers=headers, trust_env=False)
    httpx.delete(f"{engine.url}/api/v1/agents/agt_1", headers=headers, trust_env=False)
    httpx.delete(f"{engine.url}/api/v1/hosts/hst_1", headers=headers, trust_env=False)
    ticket = desk.open("t", "b", "gone")
    until(lambda: desk.journal(ticket.sys_id))
    assert desk.journal(ticket.sys_id)[0].text == "Not taken: /host_ids/0: no host 'hst_1' is registered"


def test_a_withdrawn_record_is_not_taken_and_withdrawing_twice_is_no_error(
    fake: Fake, start: Callable[..., LocalEngine], desk_of: Callable[..., Desk]
) -> None:
    desk = desk_of()
    engine = start().wait_ready()
    post(engine, "intake/withdrawn", {"host_ids": ["hst_1"]}, "PUT")
    for _ in range(2):
        assert post(engine, "intake/withdrawn", None, "DELETE").status_code == 204
    ticket = desk.open("t", "b", "withdrawn")
    time.sleep(1.0)
    assert state_of(desk, ticket.sys_id) == "1"
    assert httpx.put(f"{engine.url}/api/v1/intake/x", json={}, trust_env=False).status_code == 401


def test_an_instance_that_is_away_for_a_while_gets_everything_later(
    fake: Fake, start: Callable[..., LocalEngine], desk_of: Callable[..., Desk]
) -> None:
    desk = desk_of()
    engine = start().wait_ready()
    post(engine, "intake/away", {"host_ids": ["hst_1"]}, "PUT")
    ticket = desk.open("t", "b", "away")
    fake.faults(
        {"method": "GET", "path": "correlation_idIN", "status": 401, "times": 2},
        {"method": "PATCH", "status": 403, "times": 1},
        {"method": "PATCH", "status": 500, "after": True},
    )
    until(lambda: state_of(desk, ticket.sys_id) == "6", 30)
    texts = [entry.text for entry in desk.journal(ticket.sys_id)]
    assert len(set(texts)) == len(texts)


def test_a_group_that_does_not_exist_is_told_in_one_line(start: Callable[..., LocalEngine]) -> None:
    local = start(whole_group=True, variables={"SERVICENOW_GROUP": "Nobody"})
    end = time.monotonic() + 20
    while "looking for new records" not in (said := local.log.read_text()) and time.monotonic() < end:
        time.sleep(0.1)
    assert "SERVICENOW_GROUP=Nobody: no such name in sys_user_group" in said
    assert "Traceback" not in said


def test_an_engine_for_a_group_needs_to_know_which() -> None:
    from pytest_2501bench.engine.intake import group_settings

    variables = {"SERVICENOW_URL": "https://x", "SERVICENOW_USER": "u", "SERVICENOW_PASSWORD": "p"}
    with pytest.raises(BenchError, match="SERVICENOW_GROUP: is not set"):
        group_settings(variables)
    assert group_settings(variables | {"SERVICENOW_GROUP": "g"})["whole_group"]


def test_the_book_is_private_and_forgets_what_nobody_waits_for(tmp_path: Path) -> None:
    now = [1000.0]
    book = Book(tmp_path / "intake.json", clock=lambda: now[0])
    book.expect("one", Announcement(host_ids=("hst_1",), deadline_seconds=10))
    book.begin(Work("two", "0" * 32, "INC1", "tkt_1", 1))
    assert (tmp_path / "intake.json").stat().st_mode & 0o777 == 0o600
    again = Book(tmp_path / "intake.json", clock=lambda: now[0])
    assert again.expected() == book.expected()
    assert again.work() == book.work()
    assert again.since("one") == 0.0
    now[0] += 11 + GRACE
    assert again.expected() == {}
    again.end("two")
    assert Book(tmp_path / "intake.json").work() == ()
