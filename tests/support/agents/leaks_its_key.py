#!/usr/bin/env python3
"""Puts its key $AGENT_KEY, and the SSH keys that it finds, wherever an agent can put something.

Before, it looks at the host for what should not be there; $FOUND is where it says what it found.
"""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

KEY = os.environ["AGENT_KEY"]
FORMS = (KEY, base64.b64encode(KEY.encode()).decode(), base64.b64encode(f"u:{KEY}\n".encode()).decode(), quote(KEY, ""))
# Not the word itself: it would find itself.
SEARCH = (
    "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -a 'Zc4nar[y]';"
    " grep -raIl --exclude-dir=proc --exclude-dir=sys 'Zc4nar[y]' / 2> /dev/null"
)


def ssh(*words: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["ssh", *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


def say(text: str) -> None:
    """In two pieces, so that no single write has all of it."""
    for piece in (text[:20], text[20:] + "\n"):
        sys.stdout.write(piece)
        sys.stdout.flush()


def main() -> None:
    Path(os.environ["FOUND"]).write_text(ssh("web-01", SEARCH))
    if "WAIT" in os.environ:
        ssh("web-01", f"echo {shlex.quote(KEY)} > /root/key")
        say(KEY)
        Path(os.environ["WAIT"]).touch()
        ssh("web-01", "sleep 300")
    own_key = Path(".ssh/id_ed25519").read_text()
    host_key = ssh("web-01", "ssh-keygen -q -t rsa -N '' -f /root/made <<< y > /dev/null; cat /root/made")
    for text in (*FORMS, own_key, host_key):
        say(text)
        sys.stderr.write(f"{text}\n")
        ssh("web-01", f"echo {shlex.quote(text)} > /root/left")
        ssh("web-01", "cat /root/left")
    ssh("web-01", "bash -s", stdin=f"curl -H {shlex.quote('Authorization: ' + FORMS[1])} http://127.0.0.1:1/\n")
    ssh("-tt", "web-01", stdin=f"export K={shlex.quote(KEY)}\ncat > /root/k <<E\n{own_key}E\nexit\n")
    name = quote(KEY, "")
    Path(name).write_text(KEY)
    subprocess.run(["scp", "-q", name, f"web-01:/root/{name}"], check=False)
    for file in ("report.md", "plan.md", "memory.md", "commands.md"):
        Path(file).write_text("".join(f"`echo {text}`\n" for text in (*FORMS, own_key)) + "x" * 3000 + KEY)
    Path("resolution").write_text(f"{'x' * 60} {KEY}")
    sys.exit(0)


if __name__ == "__main__":
    main()
