#!/usr/bin/env python3
"""An agent of known quality, for trying out how well numbers of a benchmark can be trusted.

It works the ticket of `nginx-001-broken-config`. With the chance FIX it repairs the host, else it gives up after a
look; with the chance CARE it tests the configuration before the start, as the rules of that scenario ask. The draws
are seeded: the n-th ticket always ends the same way. How many tickets it has worked is kept in the file COUNT.

    pytest scenarios/ -k nginx/001 --mode namespace --iter 30 -n 2 \\
        --agent-command 'examples/deciding/seeded_agent.py --fix 0.95 --care 0.95 --seed 1 --count /tmp/a'
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import subprocess
from pathlib import Path

SITE = "/etc/nginx/sites-available/shop"


def on_host(command: str) -> str:
    """Run *command* on the ticket's one host and return what it printed."""
    ssh = ["ssh", "-F", os.environ["BENCH_SSH_CONFIG"], os.environ["BENCH_HOSTS"].split()[0], command]
    done = subprocess.run(ssh, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    return (done.stdout + done.stderr).strip()


def number(count: Path) -> int:
    """Return which ticket this is, from 1; agents that work side by side get different numbers."""
    with count.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        mine = int(file.read() or 0) + 1
        file.truncate(0)
        file.write(str(mine))
    return mine


def main() -> None:
    """Work one ticket."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fix", type=float, required=True, help="chance that the host is repaired")
    parser.add_argument("--care", type=float, required=True, help="chance that the right way is kept")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=Path, required=True, help="file that counts the tickets")
    asked = parser.parse_args()
    draw = random.Random(f"{asked.seed} {number(asked.count)}")
    fixes, cares = draw.random() < asked.fix, draw.random() < asked.care

    said = on_host("nginx -t")
    report = f"nginx does not start: {said.splitlines()[0] if said else 'no message'}."
    if fixes:
        on_host(f"cp -p {SITE} /root/shop.conf.before")
        on_host(f"sed -i 's/^\\( *expires 7d\\)$/\\1;/' {SITE}")
        if cares:
            on_host("nginx -t")
        on_host("service nginx start")
        on_host("curl -fsS --retry 4 --retry-connrefused --retry-delay 1 http://127.0.0.1/catalogue/")
        report += f" In {SITE} the semicolon after `expires 7d` was missing; it is back, and nginx was started."
    elif not cares:
        on_host("service nginx restart")
        report += " A restart did not help."
    Path(os.environ["BENCH_REPORT"]).write_text(report)


if __name__ == "__main__":
    main()
