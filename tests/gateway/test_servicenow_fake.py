"""The fake ServiceNow keeps the contract that ServiceNow's public API pages describe."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from fake_servicenow.process import Fake, fake_servicenow

INCIDENT = "/api/now/table/incident"


@pytest.fixture(scope="module")
def fake() -> Iterator[Fake]:
    with fake_servicenow("--token-seconds", "2") as running:
        yield running


@pytest.fixture
def client(fake: Fake) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fake.url, auth=("bench", "secret-of-bench"), trust_env=False) as client:
        yield client


def test_a_record_goes_through_its_life(client: httpx.Client) -> None:
    created = client.post(INCIDENT, json={"short_description": "x" * 200, "correlation_id": "life", "nonsense": "1"})
    assert created.status_code == 201
    record = created.json()["result"]
    url = f"{INCIDENT}/{record['sys_id']}"
    assert created.headers["location"].endswith(url)
    assert (record["state"], len(record["short_description"]), len(record["sys_id"])) == ("1", 160, 32)
    assert record["number"].startswith("INC")
    assert "nonsense" not in record
    assert client.patch(url, json={"state": "2"}).json()["result"]["state"] == "2"
    refused = client.patch(url, json={"state": "6"})
    assert refused.status_code == 403
    assert refused.json()["status"] == "failure"
    assert "Resolution code" in refused.json()["error"]["detail"]
    solved = {"state": "6", "close_code": "Solution provided", "close_notes": "done"}
    assert client.put(url, json=solved).json()["result"]["resolved_at"]
    assert client.patch(url, json={"state": "99"}).status_code == 403
    assert client.delete(url).status_code == 204
    gone = client.get(url)
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, "No Record found")


def test_lists_are_filtered_ordered_and_cut_into_pages(client: httpx.Client) -> None:
    for number in range(5):
        client.post(INCIDENT, json={"short_description": f"page {number}", "priority": str(number % 2)})
    query = {"sysparm_query": "short_descriptionSTARTSWITHpage^ORDERBYDESCshort_description", "sysparm_limit": "2"}
    first = client.get(INCIDENT, params=query | {"sysparm_fields": "short_description"})
    assert first.json()["result"] == [{"short_description": "page 4"}, {"short_description": "page 3"}]
    assert first.headers["x-total-count"] == "5"
    rels = {link.split(";")[1]: link.split(";")[0][1:-1] for link in first.headers["link"].split(",<")}
    assert set(rels) == {'rel="first"', 'rel="next"', 'rel="last"'}
    last = client.get(INCIDENT, params=query | {"sysparm_offset": "4"})
    assert [row["short_description"] for row in last.json()["result"]] == ["page 0"]

    def found(text: str) -> list[str]:
        params = {"sysparm_query": f"{text}^ORDERBYshort_description"}
        return [row["short_description"][-1] for row in client.get(INCIDENT, params=params).json()["result"]]

    assert found("short_descriptionLIKEpage^priority=1") == ["1", "3"]
    assert found("short_descriptionINpage 1,page 2") == ["1", "2"]
    assert found("short_description=page 1^ORshort_description=page 3") == ["1", "3"]
    assert found("short_description=page 0^NQshort_description=page 4") == ["0", "4"]
    assert found("short_descriptionLIKEpage^no_such_field=1") == ["0", "1", "2", "3", "4"]


def test_references_and_choices_have_display_values(client: httpx.Client) -> None:
    group = client.get("/api/now/table/sys_user_group", params={"sysparm_query": "name=Network"}).json()["result"][0]
    url = f"{INCIDENT}/"
    record = client.post(INCIDENT, json={"assignment_group": group["sys_id"]}).json()["result"]
    assert record["assignment_group"]["value"] == group["sys_id"]
    url += record["sys_id"]
    plain = client.get(url, params={"sysparm_exclude_reference_link": "true"}).json()["result"]
    assert plain["assignment_group"] == group["sys_id"]
    shown = client.get(url, params={"sysparm_display_value": "true", "sysparm_exclude_reference_link": "true"})
    assert (shown.json()["result"]["assignment_group"], shown.json()["result"]["state"]) == ("Network", "New")
    both = client.get(url, params={"sysparm_display_value": "all"}).json()["result"]["state"]
    assert both == {"display_value": "New", "value": "1"}


def test_comments_and_work_notes_become_rows_of_the_journal(client: httpx.Client) -> None:
    record = client.post(INCIDENT, json={"comments": "for all", "work_notes": "for us"}).json()["result"]
    client.patch(f"{INCIDENT}/{record['sys_id']}", json={"work_notes": "later"})
    assert record["comments"] == ""
    query = {"sysparm_query": f"element_id={record['sys_id']}^element=work_notes"}
    rows = client.get("/api/now/table/sys_journal_field", params=query).json()["result"]
    assert [(row["name"], row["element"], row["value"]) for row in rows] == [
        ("incident", "work_notes", "for us"),
        ("incident", "work_notes", "later"),
    ]
    shown = client.get(f"{INCIDENT}/{record['sys_id']}", params={"sysparm_display_value": "true"}).json()["result"]
    assert shown["work_notes"].index("later") < shown["work_notes"].index("for us")
    assert "(Additional comments)\nfor all\n\n" in shown["comments"]


def test_files_are_attached_listed_and_read(client: httpx.Client) -> None:
    record = client.post(INCIDENT, json={}).json()["result"]
    params = {"table_name": "incident", "table_sys_id": record["sys_id"], "file_name": "a.log"}
    post = "/api/now/attachment/file"
    added = client.post(post, params=params, content=b"\x00log", headers={"Content-Type": "text/plain"})
    assert (added.status_code, added.json()["result"]["size_bytes"]) == (201, "4")
    listed = client.get("/api/now/attachment", params={"sysparm_query": f"table_sys_id={record['sys_id']}"}).json()
    assert [row["file_name"] for row in listed["result"]] == ["a.log"]
    assert client.get(f"/api/now/attachment/{added.json()['result']['sys_id']}/file").content == b"\x00log"
    nowhere = client.post(post, params=params | {"table_sys_id": "0" * 32}, headers={"Content-Type": "text/plain"})
    assert nowhere.status_code == 404
    assert client.post(post, params={"file_name": "a"}).status_code == 400


def test_only_who_logs_in_gets_an_answer(fake: Fake) -> None:
    nobody = httpx.get(fake.url + INCIDENT, trust_env=False)
    assert nobody.status_code == 401
    assert nobody.json() == {
        "error": {"message": "User Not Authenticated", "detail": "Required to provide Auth information"},
        "status": "failure",
    }
    form = {"grant_type": "client_credentials", "client_id": "bench-client", "client_secret": "secret-of-client"}
    said = httpx.post(f"{fake.url}/oauth_token.do", data=form, trust_env=False).json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 2)
    bearer = {"Authorization": f"Bearer {said['access_token']}"}
    assert httpx.get(fake.url + INCIDENT, headers=bearer, trust_env=False).status_code == 200
    time.sleep(2.1)
    assert httpx.get(fake.url + INCIDENT, headers=bearer, trust_env=False).status_code == 401
    wrong = httpx.post(f"{fake.url}/oauth_token.do", data=form | {"client_secret": "no"}, trust_env=False)
    assert wrong.status_code == 401
    as_json = httpx.post(f"{fake.url}/oauth_token.do", json=form, trust_env=False)
    assert as_json.status_code == 401


def test_unknown_tables_and_busy_times_have_error_bodies(fake: Fake, client: httpx.Client) -> None:
    unknown = client.get("/api/now/table/nothing")
    assert (unknown.status_code, unknown.json()["error"]["message"]) == (400, "Invalid table nothing")
    fake.break_next(status=429, retry_after="7")
    busy = client.get(INCIDENT)
    assert (busy.status_code, busy.headers["retry-after"], busy.json()["status"]) == (429, "7", "failure")
    assert client.get(INCIDENT).status_code == 200
