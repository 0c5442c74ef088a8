"""A fake: an HTTP server that answers what the test says, to play an engine that is not well."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]
Script = Callable[[str, str], Answer]


@dataclass
class FakeEngine:
    """Where it listens, and what it was asked."""

    url: str
    script: Script
    requests: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def fake_engine(script: Script) -> Iterator[FakeEngine]:
    """Answer each request with the status and the body (bytes as they are, else JSON) that *script* gives for it.

    Status 0 closes the connection without an answer.
    """

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            self.rfile.read(length)
            fake.requests.append((self.command, self.path))
            status, body = fake.script(self.command, self.path.removeprefix("/api/v1"))
            if not status:
                self.close_connection = True
                return
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(0 if status == 204 else len(data)))
            self.end_headers()
            if status != 204:
                self.wfile.write(data)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake = FakeEngine(f"http://127.0.0.1:{server.server_address[1]}", script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
