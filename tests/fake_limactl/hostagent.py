"""The process beside each running instance: boots the machine, serves its SSH port, shuts it down on SIGINT."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fake_limactl import usernet
from fake_limactl.log import info
from fake_limactl.machine import Machine, hub_pid
from fake_limactl.store import Instance, home, inspect

CONFIG_HEAD = """\
# This SSH config file can be passed to 'ssh -F'.
# This file is created by Lima, but not used by Lima itself currently.
# Modifications to this file will be lost on restarting the Lima instance.
"""


class _EndedError(Exception):
    pass


def _end(_number: int, _frame: object) -> None:
    raise _EndedError


def _tell(**status: Any) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stdout.write(json.dumps({"time": now, "status": status}) + "\n")
    sys.stdout.flush()


def _write_ssh_config(instance: Instance, port: int) -> None:
    options = {
        "IdentityFile": f'"{home() / "_config" / "user"}"',
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "NoHostAuthenticationForLocalhost": "yes",
        "PreferredAuthentications": "publickey",
        "Compression": "no",
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "GSSAPIAuthentication": "no",
        "Ciphers": '"^aes128-gcm@openssh.com,aes256-gcm@openssh.com"',
        "User": instance.user,
        "ControlMaster": "auto",
        "ControlPath": f'"{instance.directory / "ssh.sock"}"',
        "ControlPersist": "yes",
        "Hostname": "127.0.0.1",
        "Port": str(port),
    }
    lines = [f"Host {instance.hostname}", *(f"  {name} {value}" for name, value in options.items())]
    path = instance.directory / "ssh.config"
    path.write_text(CONFIG_HEAD + "\n".join(lines) + "\n")
    path.chmod(0o600)


def run(name: str, pid_file: Path) -> None:
    """Serve until SIGINT."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    instance = inspect(name)
    assert instance is not None
    (instance.directory / "fake-booting").touch()
    pid_file.write_text(str(os.getpid()))
    machine = Machine(name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (instance.directory / "fake-port").write_text(str(port))
        _write_ssh_config(instance, port)
        try:
            sandbox = machine.boot(instance.hostname)
            (instance.directory / "qemu.pid").write_text(str(hub_pid(sandbox)))
            (instance.directory / "fake-booting").unlink()
            _tell(sshLocalPort=port)
            # A real machine has a network; of these only the ones that become templates get the machine's.
            builds = name.startswith("template-")
            if builds:
                machine.lend_network(sandbox)
            elif "user-v2" in instance.networks:
                usernet.plug_in(sandbox)
            machine.provision(sandbox, instance.config, instance.directory / "serial.log")
            _tell(running=True, sshLocalPort=port)
            _serve(server, machine.entrance(sandbox, own_network=not builds))
        except _EndedError:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            found = machine.sandbox()
            if found is not None:
                machine.save(found)
        except Exception as error:  # told as the real one tells it
            _tell(exiting=True, errors=[str(error)])
            machine.destroy()
            raise
    machine.destroy()
    for file in ("qemu.pid", "fake-booting"):
        (instance.directory / file).unlink(missing_ok=True)
    info("Shutting down QEMU with ACPI")
    pid_file.unlink(missing_ok=True)
    _tell(exiting=True)


def _serve(server: socket.socket, entrance: list[str]) -> None:
    running: list[subprocess.Popen[bytes]] = []
    server.settimeout(0.5)
    while True:
        running = [process for process in running if process.poll() is None]
        try:
            connection, _ = server.accept()
        except TimeoutError:
            continue
        with connection:
            connection.setblocking(True)
            # sshd -i speaks on its stdin and stdout, which are the connection itself.
            pipe = connection.fileno()
            running.append(
                subprocess.Popen(entrance, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True)
            )
