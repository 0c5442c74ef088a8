#!/usr/bin/python3
"""Serves currency rates; a rate that was set is kept in the state directory."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STATE = Path("/var/lib/rates/rates.json")


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        name = self.path.strip("/")
        rates = json.loads(STATE.read_text())
        if name not in rates:
            return self.answer(404, {"error": f"no rate for {name}"})
        return self.answer(200, {name: rates[name]})

    def do_PUT(self):
        rates = json.loads(STATE.read_text())
        try:
            rates[self.path.strip("/")] = float(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            STATE.write_text(json.dumps(rates))
        except (OSError, ValueError) as error:
            return self.answer(500, {"error": str(error)})
        return self.answer(200, {"status": "kept"})

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("0.0.0.0", 8090), Handler).serve_forever()
