"""Puts into a running virtual machine what Incus writes into a container before its start: names, keys, its address."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from pytest_2501bench.sandbox.incus.access import FOLDER, SSHD_CONFIG
from pytest_2501bench.sandbox.incus.instances import Plan
from pytest_2501bench.sandbox.incus.server import IncusError, Server

AGENT_SECONDS: Final = 120.0  # until the agent in the guest answers: a boot with firmware and kernel
_PAUSE: Final = 0.5

# The card has another name in every kind of machine; there is one.
_NETWORK: Final = """
set -eu
hostname "$1"
card=$(ls /sys/class/net | grep -vx lo | head -n 1)
ip address replace "$2/24" dev "$card"
ip link set "$card" up
"""


def execute(server: Server, instance: str, *command: str) -> int:
    """Run *command* in the instance, without input or output; return its exit status."""
    body: dict[str, Any] = {"command": list(command), "interactive": False, "wait-for-websocket": False}
    done = server.run("POST", f"/1.0/instances/{instance}/exec", body)
    return int(done["return"])


def wait_agent(server: Server, instance: str) -> None:
    """Wait until programs can be run in the instance.

    Raises:
        IncusError: its agent does not answer in time; the template may have none.
    """
    deadline = time.monotonic() + AGENT_SECONDS
    while True:
        try:
            execute(server, instance, "true")
        except IncusError as error:
            if time.monotonic() > deadline:
                raise IncusError(f"{instance}: the agent inside does not answer: {error.text}") from error
            time.sleep(_PAUSE)
        else:
            return


def introduce(server: Server, plan: Plan) -> None:
    """Make a fresh clone of a VM the host that *plan* describes.

    Raises:
        IncusError: the agent in it does not answer, or something cannot be written.
    """
    wait_agent(server, plan.instance)
    for path, (text, mode) in _files(plan.config).items():
        server.put_file(plan.instance, path, text, mode)
    name = plan.config["user.host_name"]
    if execute(server, plan.instance, "sh", "-c", _NETWORK, "sh", name, plan.address):
        raise IncusError(f"{plan.instance}: its network card cannot be set up")


def _files(config: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    return {
        "/etc/hostname": (config["user.host_name"], 0o644),
        "/etc/hosts": (config["user.hosts"], 0o644),
        "/etc/ssh/ssh_host_ed25519_key": (config["user.host_key"], 0o600),
        "/etc/ssh/ssh_host_ed25519_key.pub": (config["user.host_key_public"], 0o644),
        f"{FOLDER}/sshd_config": (SSHD_CONFIG, 0o600),
        f"{FOLDER}/host_key": (config["user.host_key"], 0o600),
        f"{FOLDER}/authorized_keys": (config["user.login_key"], 0o600),
    }
