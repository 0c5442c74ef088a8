#!/usr/bin/python3
"""Starts checks as children, several each second, and keeps a transfer going beside them.

HUP reads the configuration anew. TERM ends the transfer and then the daemon. --show-config says what is in force.
"""

import configparser
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

CONFIG = "/etc/checkd.conf"
CHECKS = ("disk", "load", "ntp")
children = set()
state = {"checks": 0, "refused": 0}
transfer = None


def read_config(*_):
    global slots, collect
    config = configparser.ConfigParser()
    config.read(CONFIG)
    slots = config.getint("children", "slots", fallback=24)
    collect = config.getboolean("children", "collect", fallback=True)


def collect_ended():
    """Take the exit status of children that ended, which is what frees their place."""
    for pid in list(children):
        if os.waitpid(pid, os.WNOHANG)[0]:
            children.discard(pid)


def start_checks():
    for check in CHECKS:
        if len(children) >= slots:
            state["refused"] += 1
            continue
        children.add(os.posix_spawn("/bin/true", ["check", check], {}))
        state["checks"] += 1


def end(*_):
    if transfer:
        os.kill(transfer, signal.SIGTERM)
        os.waitpid(transfer, 0)
    os._exit(0)


def run_transfer():
    """The child: sends the year's measurements to the authority, in one piece."""
    with open("/var/lib/checkd/transfers", "a") as file:
        file.write(f"{os.getpid()}\n")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while True:
        time.sleep(5)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        data = json.dumps(state | {"children": len(children), "slots": slots}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


read_config()
if sys.argv[1:] == ["--show-config"]:
    print(f"slots = {slots}\ncollect = {'yes' if collect else 'no'}")
    sys.exit()
if sys.argv[1:] == ["--transfer"]:
    run_transfer()
server = HTTPServer(("0.0.0.0", 8055), Handler)
transfer = os.posix_spawn(sys.argv[0], ["checkd", "--transfer"], os.environ)
signal.signal(signal.SIGHUP, read_config)
signal.signal(signal.SIGTERM, end)
threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    if collect:
        collect_ended()
    start_checks()
    time.sleep(0.5)
