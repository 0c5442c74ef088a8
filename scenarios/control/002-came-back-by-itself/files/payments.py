#!/usr/bin/python3
"""Payments: what customers have put in so far, kept in memory until they pay."""

import http.server

SESSIONS = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            self.answer(200, "payments ok\n")
        elif self.path.startswith("/sessions/") and self.path[10:] in SESSIONS:
            self.answer(200, SESSIONS[self.path[10:]] + "\n")
        elif self.path == "/sessions":
            self.answer(200, f"{len(SESSIONS)} open\n")
        else:
            self.answer(404, "no such session\n")

    def do_PUT(self):
        SESSIONS[self.path[10:]] = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(201, "kept\n")

    def answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", 8070), Handler).serve_forever()
