#!/usr/bin/python3
"""Search over the shop's catalog. The index is kept in memory; publishing builds a new one beside the old one."""

import json
import resource
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

PRODUCTS = Path("/var/lib/catalog/products.csv")
KILOBYTES = 4  # of index for each product


class Index:
    def __init__(self):
        self.names = {}
        self.blocks = []
        for line in PRODUCTS.read_text().splitlines()[1:]:
            number, name = line.split(";")
            self.names[number] = name
            if len(self.names) % 256 == 0:
                self.blocks.append(bytearray(b"\1") * (256 * KILOBYTES * 1024))


def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class Handler(BaseHTTPRequestHandler):
    index = Index()

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {"products": len(self.index.names), "peak_mb": used()})
        name = self.index.names.get(self.path.removeprefix("/products/"))
        return self.answer(200 if name else 404, {"name": name})

    def do_POST(self):
        if self.path != "/publish":
            return self.answer(404, {"error": "not found"})
        try:
            Handler.index = Index()  # the old one answers until the new one is complete
        except MemoryError:
            print(f"catalog: out of memory while the new index was built, at {used()} MB; ending", flush=True)
            self.server.failed = True
            return None
        return self.answer(200, {"products": len(self.index.names), "peak_mb": used()})

    def log_message(self, *args):
        pass


server = HTTPServer(("0.0.0.0", 8077), Handler)
server.failed = False
print(f"catalog: {len(Handler.index.names)} products, {used()} MB", flush=True)
while not server.failed:
    server.handle_request()
raise SystemExit(137)
