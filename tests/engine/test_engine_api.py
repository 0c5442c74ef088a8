"""The HTTP API of a real engine process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.engines import agent_body, host_body, ticket_body

from pytest_2501bench.engine.openapi import export
from pytest_2501bench.engine.process import Endpoint, LocalEngine

ROOT = Path(__file__).resolve().parents[2]


def engine(folder: Path, *command: str) -> Iterator[tuple[httpx.Client, LocalEngine]]:
    local = LocalEngine("command" if command else "noop", list(command) or None, folder)
    endpoint: Endpoint = local.start()
    with httpx.Client(
        base_url=f"{endpoint.url}/api/v1", headers={"Authorization": f"Bearer {endpoint.key}"}, trust_env=False
    ) as client:
        yield client, local
    local.stop()


@pytest.fixture(scope="module")
def noop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, LocalEngine]]:
    yield from engine(tmp_path_factory.mktemp("noop"))


@pytest.fixture(scope="module")
def sleeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, LocalEngine]]:
    yield from engine(tmp_path_factory.mktemp("sleeper"), "sleep", "300")


@pytest.fixture
def api(noop: tuple[httpx.Client, LocalEngine]) -> Iterator[httpx.Client]:
    yield from emptied(noop[0])


@pytest.fixture
def busy(sleeper: tuple[httpx.Client, LocalEngine]) -> Iterator[httpx.Client]:
    yield from emptied(sleeper[0])


def emptied(client: httpx.Client) -> Iterator[httpx.Client]:
    yield client
    for kind in ("agents", "hosts"):
        for thing in client.get(f"/{kind}").json()[kind]:
            client.delete(f"/{kind}/{thing[kind[:-1] + '_id']}")


def registered(api: httpx.Client, *numbers: int) -> None:
    for n in numbers:
        assert api.post("/hosts", json=host_body(n)).status_code == 201
        assert api.post("/agents", json=agent_body(n)).status_code == 201


def at_work(api: httpx.Client, ticket: str) -> dict[str, Any]:
    """Return the job of *ticket* once it is in progress and has no news for half a second."""
    end = time.monotonic() + 20
    before: dict[str, Any] = {}
    while time.monotonic() < end:
        job = dict(api.get(f"/tickets/{ticket}/job").json())
        if job["status"] == "in_progress" and job == before:
            return job
        before = job
        time.sleep(0.5)
    raise AssertionError


def finished(api: httpx.Client, ticket: str) -> dict[str, Any]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        job = api.get(f"/tickets/{ticket}/job", params={"wait": 2}).json()
        if job["status"] in {"completed", "failed", "cancelled"}:
            return dict(job)
        time.sleep(0.02)
    raise AssertionError


def test_the_committed_openapi_description_is_the_apps_own() -> None:
    assert (ROOT / "docs" / "engine-openapi.json").read_text() == export(), (
        "run: python -m pytest_2501bench.engine.openapi > docs/engine-openapi.json"
    )


def test_every_operation_is_described_with_security_and_errors(api: httpx.Client) -> None:
    described = api.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["description"], path
            if path != "/api/v1/health":
                assert operation["security"] == [{"HTTPBearer": []}]
                for status in ("401", "422"):
                    schema = operation["responses"][status]["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("/Problem")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic x", "bearer\xff"])
def test_without_the_key_nothing_is_answered_but_health(api: httpx.Client, header: str | None) -> None:
    url = str(api.base_url)
    headers = {} if header is None else {b"Authorization": header.encode("latin-1")}
    with httpx.Client(trust_env=False) as stranger:
        for method, path in (("GET", "hosts"), ("POST", "tickets"), ("GET", "openapi.json"), ("GET", "none")):
            answer = stranger.request(method, f"{url}{path}", headers=headers, content=b"{")
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["detail"] == "missing or wrong key: Authorization: Bearer <key>"
        assert stranger.get(f"{url}health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/hosts", {}, "/host_id: Field required; /host_name: Field required; /ssh: Field required"),
        ("/hosts", host_body() | {"extra": 1}, "/extra: Extra inputs are not permitted"),
        ("/hosts", host_body(port="22"), "/ssh/port: Input should be a valid integer"),
        ("/tickets", ticket_body(deadline_seconds=0), "/deadline_seconds: Input should be greater than 0"),
        ("/tickets", [], "the body: Input should be a valid dictionary or object to extract fields from"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line_that_names_the_field(
    api: httpx.Client, path: str, body: object, detail: str
) -> None:
    answer = api.post(path, json=body)
    assert (answer.status_code, answer.json()) == (422, {"detail": detail})


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/agents", agent_body(9), "/host_id: no host 'hst_9' is registered"),
        ("/tickets", ticket_body(9), "/host_ids/0: no host 'hst_9' is registered"),
        ("/tickets", ticket_body(agent_ids=["agt_9"]), "/agent_ids/0: no agent 'agt_9' is registered"),
    ],
)
def test_what_speaks_of_something_unknown_is_in_conflict(
    api: httpx.Client, path: str, body: object, detail: str
) -> None:
    answer = api.post(path, json=body)
    assert (answer.status_code, answer.json()) == (409, {"detail": detail})


def test_a_body_that_is_no_json_or_too_large_is_refused(api: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    assert api.post("/hosts", content=b"{", headers=headers).status_code in {400, 422}
    assert "JSON" in api.post("/hosts", content=b"{", headers=headers).json()["detail"]
    assert api.post("/hosts", content=b"\xff", headers=headers).status_code in {400, 422}
    assert api.post("/hosts", content=b'"\\ud800"', headers=headers).status_code == 422
    assert api.post("/hosts", content=b"[" * 100_000, headers=headers).status_code in {400, 422}
    huge = api.post("/tickets", content=b"x" * 9_000_000, headers=headers)
    assert (huge.status_code, list(huge.json())) == (413, ["detail"])
    assert api.get("/hosts").status_code == 200


def test_hosts_are_registered_once_and_keep_their_key_to_themselves(api: httpx.Client) -> None:
    first = api.post("/hosts", json=host_body())
    assert first.status_code == 201
    assert "CANARY" not in first.text + api.get("/hosts").text + api.get("/hosts/hst_1").text
    assert api.post("/hosts", json=host_body()).status_code == 200
    other = api.post("/hosts", json=host_body(private_key="OTHER"))
    assert (other.status_code, other.json()["detail"]) == (409, "host hst_1 is registered with other settings")
    assert api.delete("/hosts/hst_1").status_code == 204
    assert api.delete("/hosts/hst_1").json() == {"detail": "no host 'hst_1'"}
    assert api.get("/hosts/hst_1").status_code == 404


def test_agents_are_registered_changed_flushed_and_removed(api: httpx.Client) -> None:
    registered(api, 1)
    assert api.post("/agents", json=agent_body()).status_code == 200
    assert api.post("/agents", json=agent_body(agent_name="Other")).status_code == 409
    changed = api.put("/agents/agt_1", json={"main_engine": "m/2"}).json()
    assert changed == {
        "agent_id": "agt_1",
        "agent_name": "Fixer 1",
        "host_id": "hst_1",
        "specialty_key": "ANY",
        "main_engine": "m/2",
        "secondary_engine": None,
    }
    assert api.get("/agents/agt_1").json() == changed
    assert api.post("/agents/agt_1/flush").json() == {"agent_id": "agt_1", "forgotten": 0}
    assert api.post("/agents/agt_2/flush").status_code == 404
    assert api.delete("/hosts/hst_1").status_code == 409
    assert api.delete("/agents/agt_1").status_code == 204
    made = api.post("/agents", json={k: v for k, v in agent_body().items() if k != "agent_id"}).json()
    assert made["agent_id"].startswith("agt_")


def test_a_ticket_is_worked_once_however_often_it_is_submitted(api: httpx.Client) -> None:
    registered(api, 1)
    body = ticket_body(1, correlation_id="once")
    first, again = api.post("/tickets", json=body), api.post("/tickets", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert api.post("/tickets", json=body | {"title": "Another"}).status_code == 409
    job = finished(api, first.json()["id"])
    assert (job["status"], job["resolution_status"]) == ("completed", "no_action")
    ticket = api.get(f"/tickets/{first.json()['id']}").json()
    assert ticket["status"] == "in_progress"
    assert ticket["summary"] == "No action was taken."
    assert len(ticket["comments"]) == 4


def test_unknown_tickets_are_not_found(api: httpx.Client) -> None:
    for method, path in (("GET", ""), ("GET", "/job"), ("POST", "/cancel")):
        answer = api.request(method, f"/tickets/tkt_0{path}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "no ticket 'tkt_0'"})


def test_an_agent_can_be_given_a_task_as_with_the_vendors_tools(api: httpx.Client) -> None:
    registered(api, 1)
    made = api.post("/agents/agt_1/tasks", json={"description": "Look at nginx.\nIt is down."})
    assert made.status_code == 201
    finished(api, made.json()["ticket_id"])
    (task,) = [t for t in api.get("/agents/agt_1/tasks/completed").json()["tasks"] if t["id"] == made.json()["id"]]
    assert task["description"] == "Look at nginx. (on web-01)"
    assert api.get("/agents/agt_1/tasks/in_progress").json() == {"tasks": []}
    assert api.get("/agents/agt_1/tasks/sleeping").status_code == 422


def test_waiting_for_a_job_answers_when_something_changes(busy: httpx.Client) -> None:
    registered(busy, 1)
    ticket = busy.post("/tickets", json=ticket_body(1, correlation_id="wait")).json()["id"]
    job = at_work(busy, ticket)
    params = {"wait": 0.4, "seen": job["revision"]}
    began = time.monotonic()
    assert busy.get(f"/tickets/{ticket}/job", params=params).json()["revision"] == job["revision"]
    assert 0.35 < time.monotonic() - began < 10
    timer = threading.Timer(0.3, lambda: httpx.post(
        f"{busy.base_url}tickets/{ticket}/cancel", headers=dict(busy.headers), trust_env=False, timeout=30
    ))  # fmt: skip
    timer.start()
    began = time.monotonic()
    changed = busy.get(f"/tickets/{ticket}/job", params={"wait": 20, "seen": job["revision"]}, timeout=30).json()
    assert time.monotonic() - began < 15
    assert changed["revision"] > job["revision"]
    timer.join()


def test_cancel_stops_the_program_before_it_answers(busy: httpx.Client) -> None:
    registered(busy, 1)
    ticket = busy.post("/tickets", json=ticket_body(1, correlation_id="cancel")).json()["id"]
    at_work(busy, ticket)
    assert busy.delete("/agents/agt_1").status_code == 409
    answer = busy.post(f"/tickets/{ticket}/cancel", timeout=30)
    assert answer.json()["status"] == "cancelled"
    job = busy.get(f"/tickets/{ticket}/job").json()
    assert (job["status"], job["resolution_status"]) == ("cancelled", "hard_failure")
    assert [t["status"] for t in job["tasks"]] == ["cancelled"]
    assert busy.post(f"/tickets/{ticket}/cancel").status_code == 200


def test_a_task_is_stopped_with_its_job(busy: httpx.Client) -> None:
    registered(busy, 1)
    made = busy.post("/agents/agt_1/tasks", json={"description": "Sleep."}).json()
    assert busy.put("/agents/agt_1/tasks/tsk_0", json={"status": "cancelled"}).status_code == 404
    stopped = busy.put(f"/agents/agt_1/tasks/{made['id']}", json={"status": "cancelled"}, timeout=30)
    assert stopped.json()["status"] == "cancelled"
