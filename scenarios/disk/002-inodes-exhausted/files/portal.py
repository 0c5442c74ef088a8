#!/usr/bin/python3
"""Citizens' portal: a login makes a session, an application is kept as a cart until it is handed in."""

import json
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SESSIONS = Path("/var/lib/portal/sessions")


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {"status": "ok"})
        path = SESSIONS / f"sess_{Path(self.path).name}"
        if not self.path.startswith("/session/") or not path.is_file():
            return self.answer(404, {"error": "please log in"})
        return self.answer(200, json.loads(path.read_text()))

    def do_POST(self):
        if self.path != "/login":
            return self.answer(404, {"error": "not found"})
        name = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        number = uuid.uuid4().hex[:12]
        try:
            (SESSIONS / f"sess_{number}").write_text(json.dumps({"user": name}))
        except OSError as error:
            print(f"login: {error}", flush=True)
            return self.answer(503, {"error": "login is not possible at the moment"})
        return self.answer(201, {"session": number})

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("0.0.0.0", 8088), Handler).serve_forever()
