#!/usr/bin/python3
"""Collects meter readings in memory and saves them every hour.

SIGTERM saves and ends; what cannot be saved is not thrown away, so then it goes on. SIGUSR1 opens the log anew.
"""

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

STATE = Path("/var/lib/collector/readings.json")
LOG = Path("/var/lib/collector/log/collector.log")
HOUR = 3600

readings = json.loads(STATE.read_text()) if STATE.exists() else []
log = None
last = "ok"


def open_log(*_):
    global log
    if log is not None:
        os.close(log)
    log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    say("log opened")


def say(text):
    try:
        os.write(log, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode())
    except OSError:
        pass  # a log that cannot be written must not end the collection


def save():
    global last
    new = STATE.with_suffix(".new")
    try:
        new.write_text(json.dumps(readings))
        new.rename(STATE)
        last = "ok"
    except OSError as error:
        new.unlink(missing_ok=True)
        last = str(error)
    say(f"save of {len(readings)} readings: {last}")
    return last == "ok"


def end(*_):
    if save():
        os._exit(0)
    say("not saved, so not ended")


def save_every_hour():
    while True:
        time.sleep(HOUR)
        save()


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/readings":
            return self.answer(200, readings)
        if self.path != "/health":
            return self.answer(404, {"error": "not found"})
        return self.answer(200 if last == "ok" else 500, {"readings": len(readings), "last_save": last})

    def do_POST(self):
        if self.path == "/save":
            return self.answer(200 if save() else 507, {"readings": len(readings), "last_save": last})
        new = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        readings.extend(new)
        for meter, kwh in new:
            say(f"meter {meter:05d} reads {kwh} kWh")
        return self.answer(201, {"readings": len(readings)})

    def log_message(self, *args):
        pass


open_log()
signal.signal(signal.SIGUSR1, open_log)
signal.signal(signal.SIGTERM, end)
threading.Thread(target=save_every_hour, daemon=True).start()
HTTPServer(("0.0.0.0", 8086), Handler).serve_forever()
