"""Takes the state of the host that it runs on, and prints it as one line of JSON.

Python 3.8 or later, and only modules of the standard library that are quick to import. Nothing is written anywhere.
"""

from __future__ import annotations

import json
import os
import sys

from pytest_2501bench.host_state.on_host.files import Walk
from pytest_2501bench.host_state.on_host.ground import Key
from pytest_2501bench.host_state.on_host.services import Firewall, Units, listeners
from pytest_2501bench.host_state.on_host.tables import crontabs, groups, mounts, packages, rpm, settings, users


def main(roots: list[str], key: str, most_files: int) -> None:
    """Look at everything, while the host's own programs work beside."""
    Key.value = bytes.fromhex(key)
    notes = []
    if os.geteuid() != 0:
        notes.append("looked at without being root: what only root may read was not seen")
    units, firewall, asked = Units(), Firewall(), rpm()
    walk = Walk(most_files)
    for root in roots:
        walk.add(root)
    folders = ", ".join(roots)
    if walk.cut:
        notes.append(f"there are more than {most_files} files below {folders}")
    entries = {
        "file": walk.found,
        "user": users(),
        "group": groups(),
        "mount": mounts(),
        "cron": crontabs(),
        "sysctl": settings(),
        "listener": listeners(),
        "package": packages(asked),
        "unit": units.found(),
        "firewall": firewall.found(),
    }
    sys.stdout.write(json.dumps({"entries": entries, "whole": not walk.cut, "notes": notes}) + "\n")
