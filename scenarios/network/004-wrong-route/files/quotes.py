#!/usr/bin/python3
"""Quotes for the sales people: prices are asked from pricing, old quotes from the archive."""

import configparser
import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

config = configparser.ConfigParser()
config.read("/etc/quotes/quotes.conf")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        what, _, item = self.path.strip("/").partition("/")
        upstream = config["upstream"].get({"quote": "pricing", "archive": "archive"}.get(what, ""))
        if upstream is None:
            return self.answer(404, {"error": "not found"})
        try:
            with urllib.request.urlopen(f"{upstream}/price/{item}", timeout=2) as reply:
                return self.answer(200, json.load(reply))
        except OSError as error:
            print(f"{upstream}: {error}", file=sys.stderr, flush=True)
            return self.answer(504, {"error": f"{what} is not available at the moment"})

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        print(*args[1:], file=sys.stderr, flush=True)


ThreadingHTTPServer(("0.0.0.0", 8082), Handler).serve_forever()
