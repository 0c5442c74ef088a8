#!/usr/bin/python3
"""Prints parcel labels; a label comes from the carrier gateway."""

import configparser
import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

config = configparser.ConfigParser()
config.read("/etc/dispatch/dispatch.conf")
CARRIER = config["carrier"]["url"].rstrip("/")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        parcel = self.path.strip("/").removeprefix("label/")
        try:
            with urllib.request.urlopen(f"{CARRIER}/label/{parcel}", timeout=5) as reply:
                return self.answer(200, json.load(reply))
        except OSError as error:
            print(f"label {parcel}: {CARRIER}: {error}", file=sys.stderr, flush=True)
            return self.answer(502, {"error": "carrier not reachable"})

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        print(*args[1:], file=sys.stderr, flush=True)


ThreadingHTTPServer(("0.0.0.0", 8081), Handler).serve_forever()
