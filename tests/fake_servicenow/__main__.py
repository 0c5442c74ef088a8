"""A FAKE ServiceNow instance, as a program of its own. It is not ServiceNow; it has what its public API pages describe.

    python -m fake_servicenow [--port N] [--user NAME:PASSWORD] [--client ID:SECRET] [--page-cap N] …

prints one JSON line with its address and serves until SIGTERM. What tests control is under ``/_fake``: ``PUT /_fake/
faults`` (busy, slow, broken and lost answers), ``GET /_fake/requests``, ``GET /_fake/rows/TABLE``, ``PUT /_fake/
settings`` (password, hidden journal, …).

Not here: scripts, workflows, ACLs per field, import sets, aggregates, ``sysparm_view``, dot-walking, time zones.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys

import uvicorn

from fake_servicenow.app import create_app
from fake_servicenow.instance import FakeInstance


def main() -> None:
    parser = argparse.ArgumentParser(prog="fake_servicenow")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user", default="bench:secret-of-bench", help="NAME:PASSWORD")
    parser.add_argument("--client", default="bench-client:secret-of-client", help="ID:SECRET")
    parser.add_argument("--token-seconds", type=int, default=1800)
    parser.add_argument("--page-cap", type=int, default=10000, help="most records in one answer")
    options = parser.parse_args()
    user, _, password = options.user.partition(":")
    client_id, _, client_secret = options.client.partition(":")
    listener = socket.create_server(("127.0.0.1", options.port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    instance = FakeInstance(url, user, password, client_id, client_secret, options.token_seconds, options.page_cap)
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        create_app(instance), log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
