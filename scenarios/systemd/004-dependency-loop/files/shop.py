#!/usr/bin/python3
"""The shop's services: secrets, db, migrate, api, proxy. Which one is the first argument."""

import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PASSWORD = Path("/run/shop/db.password")
AUDIT = Path("/var/lib/shop/audit.log")
WANTED = 42


def ready():
    if "NOTIFY_SOCKET" in os.environ:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


def ask(url, data=None):
    with urllib.request.urlopen(url, data, timeout=5) as answer:
        return json.loads(answer.read())


def serve(port, handle):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = handle(self.path, body)
            data = json.dumps(answer).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    return ThreadingHTTPServer(("0.0.0.0", port), Handler)


def secrets():
    """Fetches the password of the database; what was handed out is told to the API, whenever that answers."""
    time.sleep(0.6)
    PASSWORD.write_text("7c1d0b\n")
    ready()
    url = os.environ.get("AUDIT_URL")
    while url:
        try:
            ask(url, b'"db.password handed out"')
            break
        except OSError:
            time.sleep(0.2)  # kept until then: nothing is lost when the API is late
    threading.Event().wait()


def db():
    if not PASSWORD.exists():
        sys.exit(f"db: {PASSWORD}: no such file, and no start without a password")
    schema = {"version": WANTED - 1}

    def handle(path, body):
        if path == "/migrate":
            schema["version"] = WANTED
        return 200, schema

    server = serve(8101, handle)
    time.sleep(0.3)
    ready()
    server.serve_forever()


def migrate():
    time.sleep(0.4)
    print(f"migrate: {ask('http://127.0.0.1:8101/migrate', b'')}")


def api():
    """Looks once at the schema, as soon as the database answers."""
    schema = {}

    def look():
        while not schema:
            try:
                schema.update(ask("http://127.0.0.1:8101/"))
            except OSError:
                time.sleep(0.2)
        if schema["version"] != WANTED:
            print(f"api: schema of the database is {schema['version']}, {WANTED} is needed", flush=True)

    def handle(path, body):
        if path == "/audit":
            with AUDIT.open("a") as file:
                file.write(body.decode() + "\n")
            return 201, {}
        if schema.get("version") != WANTED:
            return 503, {"error": "orders are not available"}
        return 200, {"orders": [70311, 70312], "schema": WANTED}

    server = serve(8102, handle)
    threading.Thread(target=look, daemon=True).start()
    ready()
    server.serve_forever()


def proxy():
    """Passes requests on; without the API there is nothing to pass them to."""

    def handle(path, body):
        try:
            return 200, ask(f"http://127.0.0.1:8102{path}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except OSError as error:
            return 502, {"error": str(error)}

    with socket.create_connection(("127.0.0.1", 8102), timeout=5):
        pass
    server = serve(8100, handle)
    ready()
    server.serve_forever()


globals()[sys.argv[1]]()
