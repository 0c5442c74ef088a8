#!/usr/bin/env python3
"""An agent in one file: a tool loop over any OpenAI-compatible endpoint, with the standard library only.

    BENCH_AGENT_ENV=OPENAI_API_KEY,OPENAI_BASE_URL pytest scenarios/ --mode namespace \\
        --agent-command examples/agents/python_agent.py --main-engine gpt-4.1
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/") + "/chat/completions"
HOSTS = os.environ["BENCH_HOSTS"].split()
SYSTEM = "You are an operations engineer. Resolve the ticket with the tool `run`; then answer with your report."
TOOL = {
    "name": "run",
    "description": "Run a command on a host; returns its output and exit status.",
    "parameters": {
        "type": "object",
        "properties": {"host": {"type": "string", "enum": HOSTS}, "command": {"type": "string"}},
        "required": ["host", "command"],
    },
}


def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the model's next message."""
    body = {
        "model": os.environ.get("BENCH_MAIN_ENGINE", "gpt-4.1"),
        "messages": messages,
        "tools": [{"type": "function", "function": TOOL}],
    }
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    request = urllib.request.Request(URL, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=300) as answer:
        message: dict[str, Any] = json.load(answer)["choices"][0]["message"]
        return message


def run(host: str, command: str) -> str:
    """Run *command* on *host*, claim it, and return what the model shall see of it."""
    with Path("commands.md").open("a") as claims:
        claims.write(f"# {host}\n{command}\n")
    ssh = ["ssh", "-F", os.environ["BENCH_SSH_CONFIG"], host, command]
    done = subprocess.run(ssh, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    return f"{(done.stdout + done.stderr)[-8000:]}\n(exit status {done.returncode})"


def main() -> None:
    """Work the ticket on standard input."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": sys.stdin.read()},
    ]
    for _ in range(40):
        message = ask(messages)
        messages.append(message)
        if message.get("content"):
            print(message["content"])  # a message of the agent; without report.md, the end of them is the report
        if not message.get("tool_calls"):
            Path(os.environ["BENCH_REPORT"]).write_text(message.get("content") or "")
            return
        for call in message["tool_calls"]:
            try:
                result = run(**json.loads(call["function"]["arguments"]))
            except (TypeError, ValueError) as error:  # what the model made is no call of the tool: let it see that
                result = f"error: {error}"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    sys.exit("no end after 40 turns")


if __name__ == "__main__":
    main()
