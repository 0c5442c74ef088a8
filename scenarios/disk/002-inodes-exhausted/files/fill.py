"""Sessions of the last weeks, until there is no inode left; with an argument, what is there on a good day."""

import hashlib
import os
import sys
import time
from pathlib import Path

SESSIONS = Path("/var/lib/portal/sessions")
now = time.time()


def put(path, text, hours):
    path.write_text(text)
    os.utime(path, (now - hours * 3600,) * 2)


def name(kind, number):
    return hashlib.md5(f"{kind} {number}".encode()).hexdigest()[:12]


if sys.argv[1:]:
    for number in range(120):
        put(SESSIONS / f"sess_{name('live', number)}", f'{{"user": "citizen{number}"}}', number / 20)
    for number in range(60):
        put(SESSIONS / f"cart_{name('cart', number)}", f'{{"application": {number}}}', 30 + number * 5)
    for number in range(30):
        put(Path("/var/lib/portal/uploads") / f"{name('upload', number)}.pdf", f"%PDF {number}", number * 24)
else:
    try:
        for number in range(1_000_000):
            put(SESSIONS / f"sess_{name('old', number)}", f'{{"user": "citizen{number}"}}', 26 + number / 10)
    except OSError:
        print(f"{number} sessions")
