"""Rules, specialties, and what a ticket carries, over HTTP and as a program finds them."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.engines import agent_body, host_body, ticket_body

from pytest_2501bench.engine.process import LocalEngine

# Shows everything that it finds, and remembers how often it was there.
AGENT = """\
#!/bin/sh
cp ticket.json ticket.md "$OUT" && ls > "$OUT/ls"
cp rules.md attachments/* "$OUT" 2>/dev/null
echo "visit" >> memory.md
cat memory.md > report.md
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path]]:
    folder = tmp_path_factory.mktemp("rules")
    out = folder / "out"
    out.mkdir()
    program = folder / "agent.sh"
    program.write_text(AGENT.replace("$OUT", str(out)))
    program.chmod(0o755)
    engine = LocalEngine("command", [str(program)], folder / "work")
    endpoint = engine.start()
    headers = {"Authorization": f"Bearer {endpoint.key}"}
    with httpx.Client(base_url=f"{endpoint.url}/api/v1", headers=headers, trust_env=False) as client:
        for n in (1, 2):
            client.post("/hosts", json=host_body(n))
            client.post("/agents", json=agent_body(n))
        yield client, out
    engine.stop()


@pytest.fixture
def api(started: tuple[httpx.Client, Path]) -> Iterator[httpx.Client]:
    client, _ = started
    yield client
    for rule in client.get("/operational-rules").json()["operational_rules"]:
        client.delete(f"/operational-rules/{rule['rule_id']}")
    for specialty in client.get("/specialties").json()["specialties"]:
        client.delete(f"/specialties/{specialty['specialty_key']}")
    for n in (1, 2):
        client.post(f"/agents/agt_{n}/flush")


def worked(api: httpx.Client, *hosts: int, **ticket: Any) -> dict[str, Any]:
    body = ticket_body(*hosts, **{"correlation_id": f"c-{time.monotonic_ns()}"} | ticket)
    answer = api.post("/tickets", json=body)
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] not in {"completed", "failed", "cancelled"}:
        job = api.get(f"/tickets/{answer.json()['id']}/job", params={"wait": 5, "seen": 100}).json()
    return job | {"ticket": answer.json()["id"]}


def test_rules_are_stored_changed_and_removed(api: httpx.Client) -> None:
    rule = {"rule_id": "rul_1", "rule": "Be kind.", "tags": ["nginx"]}
    stored = api.post("/operational-rules", json=rule)
    assert stored.status_code == 201
    assert stored.json() == rule | {"specialty_keys": [], "enabled": True}
    assert api.post("/operational-rules", json=rule).status_code == 200
    assert api.post("/operational-rules", json=rule | {"rule": "Other."}).status_code == 409
    changed = api.put("/operational-rules/rul_1", json={"tags": [], "enabled": False}).json()
    assert changed == {"rule_id": "rul_1", "rule": "Be kind.", "tags": [], "specialty_keys": [], "enabled": False}
    assert api.get("/operational-rules/rul_1").json() == changed
    made = api.post("/operational-rules", json={"rule": "Be quick."}).json()["rule_id"]
    assert made.startswith("rul_")
    assert [r["rule_id"] for r in api.get("/operational-rules").json()["operational_rules"]] == ["rul_1", made]
    assert api.delete(f"/operational-rules/{made}").status_code == 204
    for method in ("GET", "DELETE"):
        answer = api.request(method, f"/operational-rules/{made}")
        assert (answer.status_code, answer.json()) == (404, {"detail": f"no operational rule {made!r}"})
    assert api.post("/operational-rules", json={"rule": ""}).status_code == 422


def test_matching_rules_reach_the_program_and_are_recorded_per_task(
    api: httpx.Client, started: tuple[httpx.Client, Path]
) -> None:
    for n, (rule, more) in enumerate(
        {
            "Copy a file\nbefore editing it.": {},
            "Never reload nginx twice.": {"tags": ["nginx"]},
            "Only for gardeners.": {"specialty_keys": ["GARDENER"]},
        }.items()
    ):
        api.post("/operational-rules", json={"rule_id": f"rul_{n}", "rule": rule, **more})
    job = worked(api, 1, 2, body="nginx does not start")
    wanted = ["Copy a file\nbefore editing it.", "Never reload nginx twice."]
    assert [task["operational_rules"] for task in job["tasks"]] == [wanted, wanted]
    out = started[1]
    assert (out / "rules.md").read_text() == "- Copy a file\n  before editing it.\n- Never reload nginx twice.\n"
    assert json.loads((out / "ticket.json").read_text())["operational_rules"] == wanted
    assert (out / "ticket.md").read_text().endswith("\n\nOperational rules:\n\n" + (out / "rules.md").read_text())
    (task,) = worked(api, 1, specialty="GARDENER")["tasks"]
    assert task["operational_rules"] == ["Copy a file\nbefore editing it.", "Only for gardeners."]


def test_an_agent_remembers_until_it_is_flushed(api: httpx.Client) -> None:
    assert worked(api, 1)["resolution_summary"] == "visit"
    assert worked(api, 1)["resolution_summary"] == "visit\nvisit"
    assert worked(api, 2)["resolution_summary"] == "visit"
    assert api.post("/agents/agt_1/flush").json() == {"agent_id": "agt_1", "forgotten": 1}
    assert api.post("/agents/agt_1/flush").json() == {"agent_id": "agt_1", "forgotten": 0}
    assert worked(api, 1)["resolution_summary"] == "visit"


def test_a_repair_by_a_specialty_that_may_only_investigate_is_partial(
    api: httpx.Client, started: tuple[httpx.Client, Path]
) -> None:
    assert api.get("/specialties").json()["specialties"] == [
        {"specialty_key": "INVESTIGATOR", "investigate_only": True}
    ]
    job = worked(api, 1, specialty="INVESTIGATOR")
    assert (job["status"], job["resolution_status"]) == ("completed", "partial")
    assert [task["status"] for task in job["tasks"]] == ["incomplete"]
    assert job["resolution_summary"].endswith(
        "Specialty INVESTIGATOR may only investigate; what is to be repaired is left to others."
    )
    assert json.loads((started[1] / "ticket.json").read_text())["intent"] == "investigate"
    looked = worked(api, 1, specialty="INVESTIGATOR", body="Why? @2501:investigate")
    assert looked["resolution_status"] == "success"
    assert worked(api, 1, body="@2501:remediate it")["resolution_status"] == "success"
    assert json.loads((started[1] / "ticket.json").read_text())["intent"] == "remediate"
    api.put("/specialties/CAREFUL", json={"investigate_only": True})
    api.put("/specialties/INVESTIGATOR", json={"investigate_only": False})
    assert worked(api, 1, specialty="CAREFUL")["resolution_status"] == "partial"
    assert worked(api, 1, specialty="INVESTIGATOR")["resolution_status"] == "success"


def test_what_a_ticket_carries_is_kept_shown_and_given_to_the_program(
    api: httpx.Client, started: tuple[httpx.Client, Path]
) -> None:
    content = bytes(range(256))
    attachment = {"name": "error.log", "content_type": "text/plain", "content": base64.b64encode(content).decode()}
    carried = {
        "reference": "INC0001",
        "priority": "2 - High",
        "assignment_group": "Web",
        "environment": "production",
        "requester": "Ann",
        "tags": ["nginx"],
    }
    job = worked(api, 1, correlation_id="carried", comments=["It began at noon."], attachments=[attachment], **carried)
    (ticket,) = api.get("/tickets", params={"correlation_id": "carried"}).json()["tickets"]
    assert ticket["id"] == job["ticket"]
    assert {name: ticket[name] for name in carried} == carried
    assert ticket["comments"][0] == "It began at noon."
    digest = hashlib.sha256(content).hexdigest()
    described = {"name": "error.log", "content_type": "text/plain", "size": 256, "sha256": digest}
    assert ticket["attachments"] == [described]
    shown = api.get(f"/tickets/{ticket['id']}/attachments/error.log").json()
    assert shown == described | {"content": attachment["content"]}
    assert api.get(f"/tickets/{ticket['id']}/attachments/other").status_code == 404
    assert (started[1] / "error.log").read_bytes() == content
    told = json.loads((started[1] / "ticket.json").read_text())
    assert told["attachments"] == ["attachments/error.log"]
    assert (told["priority"], told["environment"]) == ("2 - High", "production")
    comments = f"/tickets/{ticket['id']}/comments"
    commented = api.post(comments, json={"text": "Thanks."})
    assert (commented.status_code, commented.json()["comments"][-1]) == (201, "Thanks.")
    named = {"text": "Thanks again.", "comment_id": "c-7"}
    first, again = api.post(comments, json=named), api.post(comments, json=named)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["comments"][-2:] == ["Thanks.", "Thanks again."]
    assert api.post(comments, json=named | {"text": "Not that."}).status_code == 409
    assert api.get("/tickets", params={"correlation_id": "nobody"}).json() == {"tickets": []}
    assert api.get("/tickets", params={"limit": 1}).json()["tickets"][0]["id"] == ticket["id"]


@pytest.mark.parametrize(
    ("attachments", "detail"),
    [
        ([{"name": "../x", "content": ""}], "/attachments/0/name: String should match pattern"),
        ([{"name": ".x", "content": ""}], "/attachments/0/name: String should match pattern"),
        ([{"name": "x", "content": "?"}], "/attachments/0/content: String should match pattern"),
        (
            [{"name": "x", "content": ""}, {"name": "X", "content": ""}],
            "/attachments: Value error, Two attachments have the same name",
        ),
    ],
)
def test_attachments_that_are_none_are_refused(api: httpx.Client, attachments: object, detail: str) -> None:
    answer = api.post("/tickets", json=ticket_body(1, attachments=attachments))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)


def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(api: httpx.Client) -> None:
    answer = api.patch("/hosts")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
