#!/usr/bin/python3
"""Takes reminders of appointments and keeps them in the spool until the text message gateway collects them."""

import json
import os
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def setting(name):
    if name not in os.environ:
        sys.exit(f"reminders: {name} is not set")
    return os.environ[name]


try:
    WORKERS = int(setting("REMINDERS_WORKERS"))
except ValueError:
    sys.exit(f"reminders: REMINDERS_WORKERS: {os.environ['REMINDERS_WORKERS']!r} is not a number")
SENDER = setting("REMINDERS_SENDER")
SPOOL = Path(setting("REMINDERS_SPOOL"))
if not SPOOL.is_dir():
    sys.exit(f"reminders: REMINDERS_SPOOL: {SPOOL} is not a directory")


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
            return self.answer(200, {"status": "ok", "sender": SENDER, "workers": WORKERS})
        path = SPOOL / f"{Path(self.path).name}.json"
        if not self.path.startswith("/reminders/") or not path.is_file():
            return self.answer(404, {"error": "not found"})
        return self.answer(200, json.loads(path.read_text()))

    def do_POST(self):
        try:
            reminder = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        except ValueError as error:
            return self.answer(400, {"error": str(error)})
        number = uuid.uuid4().hex[:10]
        (SPOOL / f"{number}.json").write_text(json.dumps(reminder))
        return self.answer(202, {"reminder": number})

    def log_message(self, *args):
        pass


print(f"reminders: {WORKERS} workers, spool {SPOOL}", flush=True)
ThreadingHTTPServer(("0.0.0.0", 8095), Handler).serve_forever()
