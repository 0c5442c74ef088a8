#!/usr/bin/python3
"""Relays readings of meters: each meter keeps its connection open, and each segment of the archive its file.

relay             the relay, on port 8044
relay --edge N    the concentrator of this site: keeps N meters connected
"""

import configparser
import resource
import selectors
import socket
import sys
import time
from pathlib import Path

ARCHIVE = Path("/var/lib/relay")


def relay():
    config = configparser.ConfigParser()
    config.read("/etc/relay/relay.conf")
    most = config.getint("relay", "max_clients")
    segments = [path.open("a") for path in sorted(ARCHIVE.glob("segment-*"))]
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    print(f"relay: {len(segments)} segments open, up to {most} clients", flush=True)
    events = selectors.DefaultSelector()
    listener = socket.create_server(("0.0.0.0", 8044), backlog=512)
    listener.setblocking(False)
    events.register(listener, selectors.EVENT_READ)
    clients = set()
    told = 0.0
    while True:
        for key, _ in events.select():
            if key.fileobj is listener:
                try:
                    client, _ = listener.accept()
                except OSError as error:
                    if time.monotonic() - told > 5:
                        print(f"relay: accept: {error} ({len(clients)} clients)", flush=True)
                        told = time.monotonic()
                    time.sleep(0.2)
                    continue
                if len(clients) >= most:
                    client.close()
                    continue
                client.setblocking(False)
                clients.add(client)
                events.register(client, selectors.EVENT_READ)
                client.send(b"ready\n")
                continue
            try:
                data = key.fileobj.recv(4096)
                if data.startswith(b"stat"):
                    key.fileobj.send(f"{len(clients)} clients, {len(segments)} segments\n".encode())
            except OSError:
                data = b""
            if not data:
                events.unregister(key.fileobj)
                clients.discard(key.fileobj)
                key.fileobj.close()


def edge(number):
    """Connect, one after the other, and try again for ever."""
    meters = []
    while True:
        while len(meters) < number:
            try:
                meters.append(socket.create_connection(("127.0.0.1", 8044), timeout=5))
            except OSError:
                break
        gone = []
        for meter in meters:
            meter.setblocking(False)
            try:
                if meter.recv(4096) == b"":
                    gone.append(meter)
            except BlockingIOError:
                pass
            except OSError:
                gone.append(meter)
        for meter in gone:
            meters.remove(meter)
            meter.close()
        time.sleep(0.3)


if sys.argv[1:2] == ["--edge"]:
    edge(int(sys.argv[2]))
relay()
