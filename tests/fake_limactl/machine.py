"""A "virtual machine": a host of ``--mode namespace``, with a disk that is a tar archive of what was written on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_limactl.store import home
from pytest_2501bench.sandbox.namespace import NamespaceProvider, sources
from pytest_2501bench.sandbox.namespace.images import Images
from pytest_2501bench.sandbox.protocol import HostSpec, Sandbox
from pytest_2501bench.sandbox.templates import Template

_TAR = ["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
_APT = Path("etc/apt/apt.conf.d/90machine")
_LENT = (Path("etc/resolv.conf"), Path("etc/apt/sources.list"), _APT)
# As a real image, which has no keys of its own and a root whom nobody can log in as.
_SSHD = "/usr/sbin/sshd -i -f /etc/ssh/sshd_config -o UsePAM=no"


@dataclass(frozen=True, slots=True)
class _Disk(Images):
    """Images of the machine, below the layers of a disk."""

    layers: tuple[Path, ...] = ()

    def lower(self, template: Template, packages: tuple[str, ...], **more: Any) -> tuple[Path, ...]:
        return (*self.layers, *Images.lower(self, template, packages, **more))


class Machine:
    """The virtual machine of one instance."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.directory = home() / name
        self.place = home() / "_fake" / "vms" / name
        cache = os.environ.get("LIMA_FAKE_CACHE")
        self.provider = NamespaceProvider(Path(cache) if cache else None, state_dir=home() / "_fake")
        self.note = self.directory / "fake-vm"

    def boot(self, hostname: str) -> Sandbox:
        disk = self.place / "disk"
        shutil.rmtree(self.place, ignore_errors=True)
        disk.mkdir(parents=True)
        archive = self.directory / "diffdisk"
        if archive.stat().st_size:
            subprocess.run([*_TAR, "--directory", str(disk), "-xf", str(archive)], check=True)
        layers = sorted(disk.iterdir(), key=lambda path: -int(path.name))
        cache = self.provider.cache
        self.provider.cache = _Disk(cache.directory, cache.mirror, tuple(layers))
        sandbox = self.provider.create([HostSpec(hostname)])
        self.provider.keep(sandbox)
        self.note.write_text(sandbox.name)
        return sandbox

    def sandbox(self) -> Sandbox | None:
        try:
            return self.provider.find(self.note.read_text())
        except OSError:
            return None

    @staticmethod
    def _root(sandbox: Sandbox) -> Path:
        assert sandbox.directory is not None
        pid = (sandbox.directory / "1" / "init.stat").read_text().split(" ", 1)[0]
        return Path(f"/proc/{pid}/root")

    def lend_network(self, sandbox: Sandbox) -> None:
        """Let apt in the machine go the way that this machine's apt goes."""
        root = self._root(sandbox)
        (root / _LENT[0]).write_text(Path("/etc/resolv.conf").read_text())
        lines = sources.sources(None)
        if lines:
            (root / _LENT[1]).write_text("".join(f"{line}\n" for line in lines))
        options = sources.apt_options()
        if sources.ca_file() is not None:
            (root / "run/machine-ca.crt").write_bytes(Path(str(sources.ca_file())).read_bytes())
            options.append("Acquire::https::CAInfo=/run/machine-ca.crt")
        (root / _APT).write_text("".join(f"{name} {quoted};\n" for name, quoted in map(_apt_option, options)))

    def entrance(self, sandbox: Sandbox, command: str = _SSHD, *, own_network: bool = True) -> list[str]:
        """Return the command that runs *command* inside as root."""
        assert sandbox.directory is not None
        text = (sandbox.directory / "connect-1").read_text()
        changed = text.replace("/usr/sbin/sshd -i -f /run/access/sshd_config", command)
        assert changed != text
        if not own_network:
            changed = changed.replace(" --net --pid", " --pid")
        return ["/bin/sh", "-c", changed]

    def provision(self, sandbox: Sandbox, config: dict[str, Any], log: Path) -> None:
        """Run the boot scripts; like the real one, say nothing if one fails."""
        for number, step in enumerate(config.get("provision") or []):
            script = self._root(sandbox) / f"run/lima-{number}"
            script.write_text(step["script"])
            script.chmod(0o700)
            with log.open("a") as file:
                subprocess.run(self.entrance(sandbox, f"/run/lima-{number}"), stdout=file, stderr=file, check=False)
            script.unlink(missing_ok=True)

    def save(self, sandbox: Sandbox) -> None:
        """Keep what was written, on the disk."""
        from pytest_2501bench.sandbox.namespace import launch

        assert sandbox.directory is not None
        root = self._root(sandbox)
        for path in _LENT:
            (root / path).unlink(missing_ok=True)
        launch.power_off(sandbox.directory, sandbox.hosts[0])
        disk = self.place / "disk"
        launch.take_upper(sandbox.directory / "1", disk / str(len(list(disk.iterdir()))))
        archive = self.directory / "diffdisk.tmp"
        subprocess.run([*_TAR, "--directory", str(disk), "-cf", str(archive), "."], check=True)
        archive.replace(self.directory / "diffdisk")

    def destroy(self) -> None:
        """Pull the plug; harmless when repeated."""
        try:
            name = self.note.read_text()
        except OSError:
            name = ""
        if name:
            self.provider.destroy(Sandbox(name, ()))
        # Of a host agent that was killed while it was booting its machine.
        while any(not owned.owner_alive for owned in self.provider.list_owned()):
            self.provider.reap()
        self.note.unlink(missing_ok=True)
        shutil.rmtree(self.place, ignore_errors=True)


def _apt_option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, json.dumps(value)


def hub_pid(sandbox: Sandbox) -> int:
    assert sandbox.directory is not None
    return int((sandbox.directory / "hub.stat").read_text().split(" ", 1)[0])


def init_pid(sandbox: Sandbox) -> int:
    assert sandbox.directory is not None
    return int((sandbox.directory / "1" / "init.stat").read_text().split(" ", 1)[0])
