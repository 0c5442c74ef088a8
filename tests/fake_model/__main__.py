"""A FAKE model server, as a program of its own. There is no model in it: it says what a script tells it to say.

    python -m fake_model SCRIPT.json [--port N] [--key KEY]

prints one JSON line with its address and serves until SIGTERM: ``POST /v1/chat/completions`` (OpenAI's form) and ``POST
/v1/messages`` (Anthropic's), both as streams only. ``GET /_fake/requests`` returns what was asked, without keys;
``PUT /_fake/script?key=KEY`` loads another script.

See script.py for what a script may say: tool calls, malformed ones, refusals, errors, streams that break off.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from pathlib import Path

import uvicorn

from fake_model.app import create_app
from fake_model.script import Script


def main() -> None:
    parser = argparse.ArgumentParser(prog="fake_model")
    parser.add_argument("script", type=Path, help="JSON; see script.py")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="the only key that is taken; without it, any or none")
    options = parser.parse_args()
    script = Script.model_validate_json(options.script.read_text())
    listener = socket.create_server(("127.0.0.1", options.port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        create_app(script, options.key),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
