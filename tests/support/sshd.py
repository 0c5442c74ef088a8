"""A real sshd on a loopback port, and a host behind it."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_2501bench.sandbox.protocol import Host, SshSettings

ALIAS = "sbx-7kq2mv9x4tzn"


@dataclass(frozen=True)
class Sshd:
    folder: Path
    port: int
    pid: int

    def host(self, name: str = "web-01", **ssh: object) -> Host:
        settings = SshSettings(
            user=getpass.getuser(),
            identity_file=self.folder / "id",
            known_hosts=self.folder / "known_hosts",
            hostname=ALIAS,
            port=self.port,
        )
        return Host(f"hst_{name}", name, replace(settings, **ssh))  # type: ignore[arg-type]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """Run Debian's sshd on a loopback port, with keys in *folder*, for the current user."""
    for name in ("hostkey", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "id.pub", folder / "authorized_keys")
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/hostkey\nAuthorizedKeysFile {folder}/authorized_keys\n"
        "UsePAM no\nStrictModes no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin yes\n"
        # Ansible's modules unpack themselves into TMPDIR, and leave it so if they are killed.
        f"Subsystem sftp internal-sftp\nMaxStartups 100\nSetEnv TMPDIR={folder}\n"
    )
    kind, key = (folder / "hostkey.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"{ALIAS} {kind} {key}\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError("sshd did not start")
        yield Sshd(folder, port, server.pid)
    finally:
        server.terminate()
        server.wait(10)
