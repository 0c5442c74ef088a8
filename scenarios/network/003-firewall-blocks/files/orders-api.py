#!/usr/bin/python3
"""Orders: the API on 8090, a status page on 8080, the operators' console on 9000."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ORDERS = {"88120": "packed", "88121": "shipped", "88122": "waiting for payment"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        port = self.server.server_address[1]
        order = self.path.removeprefix("/orders/")
        if port == 8080:
            return self.answer(200, {"status": "ok"})
        if port == 9000:
            return self.answer(200, {"console": "orders", "waiting": len(ORDERS)})
        if order in ORDERS:
            return self.answer(200, {"order": order, "state": ORDERS[order]})
        return self.answer(404, {"error": "no such order"})

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        print(self.client_address[0], *args[1:], flush=True)


for port in (8080, 9000):
    threading.Thread(target=ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever, daemon=True).start()
ThreadingHTTPServer(("0.0.0.0", 8090), Handler).serve_forever()
