"""The served report: fresh, for this machine only, and in plain words when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from support.records import report
from support.showcase import fill

from pytest_2501bench.store.repository import Store
from pytest_2501bench.webreport.live import create_app

LOCAL = "http://127.0.0.1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(None, tmp_path) as opened:
        fill(opened, tmp_path, days=2, iterations=1)
        yield opened


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(store, tmp_path), base_url=LOCAL) as made:
        yield made


def test_every_page_is_there_and_what_is_not_is_404(client: TestClient) -> None:
    for path in ("/", "/index.html", "/benchmarks.html", "/compare.html", "/benchmarks/bmk_001.html"):
        assert client.get(path).status_code == 200, path
    assert client.get("/scenarios/nginx%2B001-broken-config.html").status_code == 200
    assert client.get("/runs/run_0010s1.html").status_code == 200
    for path in (
        "/runs/run_none.html",
        "/benchmarks/bmk_001-9.html",
        "/benchmarks/none.html",
        "/scenarios/no.html",
        "/x",
    ):
        assert client.get(path).status_code == 404, path
    assert client.post("/").status_code == 405


def test_a_name_that_was_made_to_lead_here_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"Host": "localhost:2501"}).status_code == 200


def test_pages_are_not_kept_framed_or_allowed_more_than_their_scripts(client: TestClient) -> None:
    headers = client.get("/").headers
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]


def test_a_new_run_changes_the_state_and_the_page(
    client: TestClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_2501bench.webreport.live._REST", 0)
    before = client.get("/state").text
    assert client.get("/state").text == before
    store.save_report(report("run_new", benchmark_id="bmk_001"))
    assert client.get("/state").text != before
    assert "17 runs in 2 benchmarks" in client.get("/").text


@pytest.mark.parametrize(
    "query", ["a=last~1&b=last~x", "a=x&b=y", "a=last~1&b=last&gate=none", "a=%3Cscript%3E&b=last"]
)
def test_a_comparison_that_cannot_be_is_a_sentence(client: TestClient, query: str) -> None:
    answer = client.get(f"/compare.html?{query}")
    assert answer.status_code == 200
    assert "<script>&" not in answer.text
    assert "Traceback" not in answer.text


def test_a_database_that_is_lost_is_one_line(client: TestClient, store: Store, tmp_path: Path) -> None:
    assert client.get("/benchmarks.html").status_code == 200
    store.close()
    (tmp_path / "results.db").write_bytes(b"not a database" * 1000)
    for name in ("results.db-wal", "results.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    answer = client.get("/runs/run_0010s1.html")
    assert answer.status_code == 503
    assert "Traceback" not in answer.text
    assert answer.text.count("\n") == 0
