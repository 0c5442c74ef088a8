#!/usr/bin/python3
"""Answers how many pieces of an article are in stock, for the shop and for the nightly report."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECES = {"lamp-20": 112, "chair-3": 41, "table-7": 9, "shelf-1": 260}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        article = self.path.removeprefix("/stock/")
        if self.path == "/export":
            return self.answer(200, "text/csv", "".join(f"{name};{pieces}\n" for name, pieces in PIECES.items()))
        if article in PIECES:
            return self.answer(200, "application/json", json.dumps({"article": article, "pieces": PIECES[article]}) + "\n")
        return self.answer(404, "application/json", '{"error": "no such article"}\n')

    def answer(self, status, kind, text):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        print(self.client_address[0], *args[1:], flush=True)


ThreadingHTTPServer(("0.0.0.0", 8069), Handler).serve_forever()
