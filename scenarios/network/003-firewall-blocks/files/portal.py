#!/usr/bin/python3
"""The customers' portal: shows the state of an order, which it asks the orders API for."""

import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = "http://api-01:8090"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        order = self.path.strip("/").removeprefix("orders/")
        try:
            with urllib.request.urlopen(f"{API}/orders/{order}", timeout=2) as reply:
                return self.answer(200, json.load(reply))
        except OSError as error:
            print(f"{API}/orders/{order}: {error}", file=sys.stderr, flush=True)
            return self.answer(504, {"error": "orders are not available at the moment"})

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
