"""The instances below LIMA_HOME: their files, names and states, and how ``list`` shows them."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fake_limactl.log import quoted, refuse
from fake_limactl.version import current

LONGEST_SOCKET = "ssh.sock.1234567890123456"
UNIX_PATH_MAX = 108
_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*")


def home() -> Path:
    directory = Path(os.environ.get("LIMA_HOME") or Path.home() / ".lima")
    return directory.resolve()


def check_name(name: str) -> None:
    if len(name) > 76:
        refuse(
            f"instance name {quoted(name)} is not a valid identifier: identifier {quoted(name)} greater than "
            "maximum length (76 characters)"
        )
    if not _NAME.fullmatch(name):
        refuse(
            f"instance name {quoted(name)} is not a valid identifier: identifier {quoted(name)} must match "
            "^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$"
        )
    if name.lower().endswith((".yml", ".yaml")):
        refuse(f"instance name {quoted(name)} must not end with .yml or .yaml suffix")


def new_directory(name: str) -> Path:
    """Return where instance *name* may be made."""
    check_name(name)
    directory = home() / name
    socket = str(directory / LONGEST_SOCKET)
    if len(socket) >= UNIX_PATH_MAX:
        refuse(
            f"instance name {quoted(name)} too long: {quoted(socket)} must be less than "
            f"UNIX_PATH_MAX={UNIX_PATH_MAX} characters, but is {len(socket)}"
        )
    if directory.exists():
        where = "" if current().clone else f" ({quoted(directory)})"
        refuse(f"instance {quoted(name)} already exists{where}")
    return directory


def names() -> list[str]:
    if not home().is_dir():
        return []
    return sorted(path.name for path in home().iterdir() if path.is_dir() and path.name[0] not in "._")


def alive(path: Path) -> int:
    """Return the pid in a pid file, 0 if its process is gone (and then the file, too)."""
    try:
        pid = int(path.read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        state = "X"
        pid = 0
    if state in "ZX":
        path.unlink(missing_ok=True)
        return 0
    return pid


@dataclass
class Instance:
    name: str
    directory: Path
    config: dict[str, Any]
    agent: int = 0
    driver: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        if self.errors:
            return "Broken"
        return "Running" if self.agent else "Stopped"

    @property
    def hostname(self) -> str:
        return "lima-" + re.sub(r"[._]", "-", self.name)

    @property
    def user(self) -> str:
        return str((self.config.get("user") or {}).get("name") or "lima")

    @property
    def networks(self) -> list[str]:
        return [str(one["lima"]) for one in self.config.get("networks") or [] if "lima" in one]

    def row(self) -> dict[str, Any]:
        """Return what ``list --json`` shows, in the order of the real one."""
        try:
            port = int((self.directory / "fake-port").read_text())
        except (OSError, ValueError):
            port = 0
        row: dict[str, Any] = {"name": self.name, "hostname": self.hostname, "status": self.status}
        row |= {"dir": str(self.directory), "vmType": "qemu", "arch": platform.machine()}
        row |= {"cpus": self.config.get("cpus", 4), "memory": _bytes(self.config.get("memory", "4GiB"))}
        row |= {"disk": _bytes(self.config.get("disk", "100GiB"))}
        if self.networks:
            row["network"] = [{"lima": name} for name in self.networks]
        if port and self.agent:
            row["sshLocalPort"] = port
        row["sshConfigFile"] = str(self.directory / "ssh.config")
        row |= {key: pid for key, pid in (("hostAgentPID", self.agent), ("driverPID", self.driver)) if pid}
        if self.errors:
            row["errors"] = self.errors if current().errors_are_texts else [{} for _ in self.errors]
        row |= {"config": self.config, "sshAddress": "127.0.0.1", "protected": False}
        row["limaVersion"] = (self.directory / "lima-version").read_text()
        row |= {"HostOS": "linux", "HostArch": platform.machine(), "LimaHome": str(home())}
        row["IdentityFile"] = str(home() / "_config" / "user")
        return row


def _bytes(text: str) -> int:
    number = re.match(r"[\d.]+", text)
    assert number is not None
    return int(float(number[0]) * {"K": 2**10, "M": 2**20, "G": 2**30}[text[number.end()].upper()])


def inspect(name: str) -> Instance | None:
    """Return the instance, or None if it does not exist: it has no lima.yaml, that is."""
    directory = home() / name
    try:
        config = yaml.safe_load((directory / "lima.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    instance = Instance(name, directory, config)
    instance.agent = alive(directory / "ha.pid")
    instance.driver = alive(directory / "qemu.pid")
    if instance.agent and not instance.driver and not (directory / "fake-booting").exists():
        instance.errors.append("host agent is running but driver is not")
    if instance.driver and not instance.agent:
        instance.errors.append("qemu driver is running but host agent is not")
    return instance


def no_such_file(name: str) -> str:
    return f"open {home() / name / 'lima.yaml'}: no such file or directory"


def events(directory: Path) -> list[dict[str, Any]]:
    """Return what the host agent has told so far."""
    try:
        lines = (directory / "ha.stdout.log").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [json.loads(line) for line in lines if line.endswith("}")]


def wait_for(directory: Path, key: str, seconds: float) -> dict[str, Any] | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for event in events(directory):
            if event["status"].get(key):
                return event
        time.sleep(0.02)
    return None
