#!/usr/bin/python3
"""Archive of scans: takes them by PUT, tells by GET what it has."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STORE = Path("/var/lib/scan-store")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):
        self.answer(200, {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in sorted(STORE.iterdir())})

    def do_PUT(self):
        name = self.path.removeprefix("/scan/")
        size = int(self.headers["Content-Length"])
        try:
            content = self.rfile.read(size)
        except OSError:
            content = b""
        if len(content) != size or not name.replace("-", "").replace(".", "").isalnum():
            print(self.client_address[0], name, f"{len(content)} of {size} bytes, dropped", flush=True)
            return self.answer(400, {"error": "incomplete"})
        (STORE / name).write_bytes(content)
        return self.answer(201, {"stored": name, "bytes": size})

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        print(self.client_address[0], *args[1:], flush=True)


ThreadingHTTPServer(("0.0.0.0", 8085), Handler).serve_forever()
