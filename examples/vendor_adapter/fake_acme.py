"""A fake: a small server with the API of an invented vendor, "acme runner". It works incidents in words only."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BASE, TOKEN = "/runner/v2", "acme-demo"
Answer = tuple[int, Any]


@dataclass
class FakeAcme:
    """What it has, and how it shall behave. ``url`` is where it listens."""

    url: str = ""
    verdict: str = "FIXED"
    shell_log: list[dict[str, Any]] | None = field(default_factory=lambda: [{"text": "du -sh /var/log", "rc": 0}])
    works: bool = True  # False: work goes on until it is withdrawn
    drop: str = ""  # "POST /incidents": do it, and lose the answer, once
    tables: dict[str, dict[int, dict[str, Any]]] = field(
        default_factory=lambda: {"machines": {}, "operators": {}, "incidents": {}}
    )
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any], key: str) -> Answer:
        """Do what is asked."""
        if path == "/ping":
            return 200, {"product": "acme-runner", "api": 2}
        match = re.fullmatch(r"/(machines|operators|incidents)(?:/(\d+)(?:/(memory|work|withdraw))?)?", path)
        if match is None:
            return refusal(404, "no such path")
        table, number, part = self.tables[match[1]], int(match[2] or 0), match[3]
        if number and number not in table:
            return refusal(404, f"no number {number} in {match[1]}")
        if method == "GET" and not number:
            return 200, {"numbers": [n for n, row in table.items() if [row["external_ref"]] == query["external_ref"]]}
        if method == "POST" and not number:
            return self.add(match[1], body, key)
        if method == "DELETE" and part == "memory":
            table[number]["flushes"] = table[number].get("flushes", 0) + 1
            return 204, None
        if method == "DELETE":
            del table[number]
            return 204, None
        if part == "withdraw":
            table[number]["withdrawn"] = table[number].get("withdrawn", 0) or 1
            return 202, {}
        if part == "work":
            return self.work(table[number])
        row = table[number]
        phase = "WITHDRAWN" if row.get("withdrawn") else {"FIXED": "FIXED"}.get(self.verdict, "RETURNED")
        return 200, incident(number, row) | {"phase": phase, "thread": ["Taken."], "closing_note": "Removed the log."}

    def add(self, table: str, body: dict[str, Any], key: str) -> Answer:
        """Add a row; an incident only once by its key."""
        rows = self.tables[table]
        ref = key if table == "incidents" else body["external_ref"]
        there = next((number for number, row in rows.items() if row["external_ref"] == ref), None)
        if there is not None:
            return (200, incident(there, rows[there])) if table == "incidents" else refusal(409, f"{ref} is there")
        number = max(rows, default=100) + 1
        rows[number] = body | {"external_ref": ref, "looks": 0}
        return 201, incident(number, rows[number]) if table == "incidents" else {"number": number}

    def work(self, row: dict[str, Any]) -> Answer:
        """Come one state further with each look."""
        row["looks"] += 1
        withdrawn = row.get("withdrawn", 0)
        if withdrawn:
            row["withdrawn"] = withdrawn + 1
        state = ("STOPPING" if withdrawn == 1 else "ABORTED") if withdrawn else "WAITING" if row["looks"] == 2 else (
            "RUNNING" if row["looks"] < 4 or not self.works else "DONE" if self.verdict == "FIXED" else "FAILED"
        )  # fmt: skip
        if row["looks"] == 1 and not withdrawn:
            return 204, None
        over = state in {"DONE", "FAILED", "ABORTED"}
        steps = [
            {
                "step_no": number,
                "state": state,
                "machine": self.who("machines", ref),
                "operator": self.who("operators", operator),
                "goal": row["headline"],
                "note": "Found a runaway log." if over else None,
                "shell_log": self.shell_log,
                "tokens": {"in": 120, "out": 30},
                "cost_cents": 2.5,
            }
            for number, (ref, operator) in enumerate(zip(row["machine_refs"], row["operator_refs"], strict=False), 1)
        ]
        verdict = ("STOPPED" if state == "ABORTED" else self.verdict) if over else None
        return 200, {"state": state, "verdict": verdict, "note": "a runaway log had filled the disk", "steps": steps}

    def who(self, table: str, ref: str) -> dict[str, Any]:
        """Return a row as steps show it."""
        row = next((row for row in self.tables[table].values() if row["external_ref"] == ref), {})
        return {"external_ref": ref, "label": row.get("label")}


def incident(number: int, row: dict[str, Any]) -> dict[str, Any]:
    """Return what an incident is from the beginning."""
    return {"incident_no": number, "phase": "OPEN", "headline": row["headline"], "narrative": row["narrative"]}


def refusal(status: int, message: str) -> Answer:
    """Return an error as acme tells it."""
    return status, {"error": {"code": f"E{status}", "message": message}}


def server_of(fake: FakeAcme, port: int = 0) -> ThreadingHTTPServer:
    """Return a server for *fake* on the loopback address."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            url = urlsplit(self.path)
            path = url.path.removeprefix(BASE)
            fake.asked.append(f"{self.command} {path}")
            if self.headers.get("X-Acme-Token") != TOKEN:
                status, said = refusal(401, "bad token")
            else:
                key = self.headers.get("Idempotency-Key", "")
                status, said = fake.answer(self.command, path, parse_qs(url.query), json.loads(raw or b"{}"), key)
            if fake.drop == f"{self.command} {path}":
                fake.drop, self.close_connection = "", True
                return
            data = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    return server


@contextmanager
def fake_acme() -> Iterator[FakeAcme]:
    """Run one until the end of the block."""
    fake = FakeAcme()
    server = server_of(fake)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    fake = FakeAcme()
    with server_of(fake, int(sys.argv[1]) if len(sys.argv) > 1 else 8400) as server:
        print(f"fake acme runner at {fake.url}, token {TOKEN}", flush=True)
        server.serve_forever()
