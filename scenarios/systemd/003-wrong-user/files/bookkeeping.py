#!/usr/bin/python3
"""Keeps bookings of one kind: signs them with the key of its settings and appends them to a journal."""

import configparser
import hashlib
import hmac
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

settings = configparser.ConfigParser()
with open(sys.argv[1]) as file:
    settings.read_file(file)
KEY = settings["bookings"]["signing_key"].encode()
JOURNAL = Path(settings["bookings"]["state"]) / "journal" / "bookings.jsonl"


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
        if self.path != "/balance":
            return self.answer(404, {"error": "not found"})
        try:
            bookings = [json.loads(line) for line in JOURNAL.read_text().splitlines()]
        except OSError as error:
            return self.fail(error)
        return self.answer(200, {"bookings": len(bookings), "cents": sum(b["cents"] for b in bookings)})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            booking = {"cents": int(text), "signature": hmac.new(KEY, text, hashlib.sha256).hexdigest()[:16]}
            with JOURNAL.open("a") as file:
                file.write(json.dumps(booking) + "\n")
        except ValueError as error:
            return self.answer(400, {"error": str(error)})
        except OSError as error:
            return self.fail(error)
        return self.answer(201, booking)

    def fail(self, error):
        print(f"journal: {error}", flush=True)
        return self.answer(500, {"error": "the journal cannot be used"})

    def log_message(self, *args):
        pass


HTTPServer(("0.0.0.0", settings.getint("bookings", "port")), Handler).serve_forever()
