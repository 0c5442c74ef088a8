#!/usr/bin/python3
"""A container's service on its node: answers with its name, on one address only. usage: segment-service NAME ADDRESS PORT"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME, ADDRESS, PORT = sys.argv[1:]
PRICES = {"lamp-20": 39.90, "chair-3": 119.00}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        item = self.path.strip("/").removeprefix("price/")
        body = {"service": NAME, "client": self.client_address[0]}
        if item in PRICES:
            body["price"] = PRICES[item]
        data = json.dumps(body).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        print(*args[1:], file=sys.stderr, flush=True)


ThreadingHTTPServer((ADDRESS, int(PORT)), Handler).serve_forever()
