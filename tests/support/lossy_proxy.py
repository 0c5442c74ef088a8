"""A proxy before an engine that hands requests on and loses answers, as a network or a restarting balancer does."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


@dataclass
class LossyProxy:
    """*lose*: a pattern of "METHOD path"; *times*: how many answers; *status*: what is answered in their place.

    Status 0 closes the connection without an answer.
    """

    url: str = ""
    lose: str = "nothing"
    times: int = 1
    status: int = 0
    handed_on: list[str] = field(default_factory=list)

    def count(self, request: str) -> int:
        """Return how often the engine got *request*."""
        return self.handed_on.count(request)


@contextmanager
def lossy_proxy(engine_url: str) -> Iterator[LossyProxy]:
    """Run one before the engine at *engine_url*."""
    client = httpx.Client(trust_env=False, timeout=60)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {"Authorization": self.headers["Authorization"], "Content-Type": "application/json"}
            answer = client.request(self.command, engine_url + self.path, content=body, headers=headers)
            request = f"{self.command} {self.path.removeprefix('/api/v1').partition('?')[0]}"
            proxy.handed_on.append(request)
            lost = proxy.times > 0 and re.fullmatch(proxy.lose, request)
            proxy.times -= bool(lost)
            if lost and not proxy.status:
                self.close_connection = True
                return
            data = b"" if lost else answer.content
            self.send_response(proxy.status if lost else answer.status_code)
            if answer.status_code != 204 or lost:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy = LossyProxy(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        client.close()
