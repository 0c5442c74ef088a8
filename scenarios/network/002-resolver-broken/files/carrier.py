#!/usr/bin/python3
"""Gateway to the carriers: gives a parcel its label."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        parcel = self.path.removeprefix("/label/")
        status, body = (200, {"parcel": parcel, "label": f"NL-{parcel}-K"}) if parcel.isdigit() else (404, {"error": "no such parcel"})
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        print(self.client_address[0], *args[1:], flush=True)


ThreadingHTTPServer(("0.0.0.0", 8070), Handler).serve_forever()
