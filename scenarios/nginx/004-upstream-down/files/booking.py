#!/usr/bin/env python3
"""Booking of crossings: free slots and bookings, over a local socket."""

import argparse
import json
import os
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

STATE = Path("/var/lib/booking/bookings.json")


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, content):
        data = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        bookings = json.loads(STATE.read_text())
        if self.path == "/api/slots":
            return self.answer(200, {"crossing": "07:30 Amrum", "free": 84 - len(bookings)})
        number = self.path.rpartition("/")[2]
        if self.path.startswith("/api/bookings/") and number in bookings:
            return self.answer(200, bookings[number])
        return self.answer(404, {"error": "no such booking"})

    def address_string(self):
        return "web server"

    def log_message(self, *args):
        pass


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


parser = argparse.ArgumentParser()
parser.add_argument("--socket", required=True)
path = parser.parse_args().socket
Path(path).unlink(missing_ok=True)
print(f"booking: listening on {path}, pid {os.getpid()}", flush=True)
Server(path, Handler).serve_forever()
