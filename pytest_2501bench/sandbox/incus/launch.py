"""From what is asked for to hosts that answer: clones and starts instances, and waits for SSH."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.incus.guest import introduce
from pytest_2501bench.sandbox.incus.instances import Plan
from pytest_2501bench.sandbox.incus.server import Server
from pytest_2501bench.sandbox.namespace.access import ssh_argv
from pytest_2501bench.sandbox.namespace.launch import BOOT_SECONDS, wait_ssh
from pytest_2501bench.sandbox.protocol import Host, HostSpec, Sandbox

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_MOST_HOSTS: Final = 200
_PAUSE: Final = 0.3  # seconds between two attempts to log in


def check_specs(specs: Sequence[HostSpec]) -> None:
    """Refuse what cannot be a sandbox.

    Raises:
        BenchError: ``scenario_invalid``.
    """
    names = [spec.host_name for spec in specs]
    for spec in specs:
        name = spec.host_name
        if not _HOST_NAME.fullmatch(name):
            raise BenchError(Cause.SCENARIO_INVALID, f"{name!r} cannot be a host name: letters, digits and - only")
        if names.count(name) > 1:
            raise BenchError(Cause.SCENARIO_INVALID, f"two hosts are called {name!r}")
        for package in spec.packages:
            if not _PACKAGE.fullmatch(package):
                raise BenchError(Cause.SCENARIO_INVALID, f"host {name}: {package!r} is not a Debian package name")
    if not 1 <= len(names) <= _MOST_HOSTS:
        raise BenchError(Cause.SCENARIO_INVALID, f"{len(names)} hosts asked for; 1 to {_MOST_HOSTS} are possible")


def start(server: Server, plans: Sequence[Plan]) -> None:
    """Clone and start all hosts at the same time; a cluster keeps the hosts of a sandbox on one member.

    Raises:
        IncusError: the server refused, or was lost.
    """
    target = {"target": server.place.target} if server.place.target else {}
    first, *others = plans
    server.run("POST", "/1.0/instances", first.request(), **target)
    if others:
        # Bridges of the same name on two members of a cluster are not connected.
        location = str((server.instance(first.instance) or {}).get("location") or "none")
        target = {} if location == "none" else {"target": location}
        clones = [server.begin("POST", "/1.0/instances", plan.request(), **target) for plan in others]
        for operation in clones:
            server.wait(operation)
    begin = {"action": "start", "timeout": -1}
    for operation in [server.begin("PUT", f"/1.0/instances/{plan.instance}/state", begin) for plan in plans]:
        server.wait(operation)
    for plan in plans:
        if plan.vm:
            introduce(server, plan)


def wait_answers(sandbox: Sandbox) -> None:
    """Wait until every host answers and its boot is over.

    Raises:
        BenchError: ``ssh_not_up`` with the last words of ssh.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        try:
            wait_ssh(sandbox.hosts)
        except BenchError:
            # `incus exec` may fail while the init of a container starts, on a loaded machine.
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def lacking_packages(host: Host, wanted: Sequence[str]) -> str:
    """Return which of the *wanted* Debian packages *host* lacks, in one line; empty if none."""
    words = shlex.join(sorted(set(wanted)))
    look = f"for name in {words}; do dpkg -s $name >/dev/null 2>&1 || echo $name; done"
    argv = ssh_argv(host.ssh, look)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return ", ".join(done.stdout.split()) or (done.stderr.strip() if done.returncode else "")
