#!/usr/bin/python3
"""Takes orders over HTTP and keeps them as files until the export to accounting collects them."""

import configparser
import json
import logging
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

config = configparser.ConfigParser()
config.read("/etc/orders/orders.conf")
INCOMING = Path(config["orders"]["incoming"])
log = logging.getLogger("orders")
logging.raiseExceptions = False  # a log that cannot be written must not end the service


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path != "/health":
            return self.answer(404, {"error": "not found"})
        return self.answer(200, {"status": "ok", "waiting": len(list(INCOMING.glob("*.json")))})

    def do_POST(self):
        order = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        number = uuid.uuid4().hex[:10]
        path = INCOMING / f"{number}.json"
        try:
            with path.open("wb") as file:
                file.write(order)
        except OSError as error:
            path.unlink(missing_ok=True)
            log.error("order not saved: %s", error)
            return self.answer(507, {"error": "order could not be saved"})
        log.info("order %s taken, %d bytes", number, len(order))
        return self.answer(201, {"order": number})

    def log_message(self, *args):
        log.debug("http %s", args[1:])


def watch():
    """Look at the orders that wait; the export asks for their age."""
    while True:
        for path in sorted(INCOMING.glob("*.json")):
            log.debug("waiting %s %s", path.name, path.read_text(errors="replace"))
        time.sleep(0.1)


handler = logging.FileHandler(config["log"]["file"])
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
log.addHandler(handler)
log.setLevel(config["log"]["level"].strip().upper())
log.info("orders service started, log level %s", config["log"]["level"])
threading.Thread(target=watch, daemon=True).start()
ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
