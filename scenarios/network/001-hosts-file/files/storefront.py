#!/usr/bin/python3
"""Article pages of the shop; what is in stock the ERP knows."""

import configparser
import json
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

config = configparser.ConfigParser()
config.read("/etc/storefront/storefront.conf")
ERP = config["erp"]["url"].rstrip("/")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        article = self.path.strip("/").removeprefix("article/")
        try:
            with urllib.request.urlopen(f"{ERP}/stock/{article}", timeout=3) as reply:
                pieces = json.load(reply)["pieces"]
        except urllib.error.HTTPError as error:
            return self.answer(error.code, {"error": "no such article"})
        except OSError as error:
            print(f"{ERP}/stock/{article}: {error}", file=sys.stderr, flush=True)
            return self.answer(502, {"article": article, "availability": "unknown"})
        return self.answer(200, {"article": article, "availability": f"{pieces} pieces"})

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        print(*args[1:], file=sys.stderr, flush=True)


ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
