"""A real sshd on loopback, for the tests of the agents' rooms."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.sandbox.protocol import Host, SshSettings


@dataclass
class Sshd:
    """A running server."""

    process: subprocess.Popen[bytes]
    host: Host
    log: Path

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def keygen(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text().strip()


def start(directory: Path, host_name: str = "web-01") -> Sshd:
    """Start a sshd whose host is this machine, for the current user, with a host key of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    host_key = keygen(directory / "host_key")
    (directory / "authorized_keys").write_text(keygen(directory / "real_key") + "\n")
    Path("/run/sshd").mkdir(exist_ok=True) if getpass.getuser() == "root" else None
    port = free_port()
    config = directory / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {directory}/authorized_keys\nUsePAM no\nStrictModes no\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\nAcceptEnv LANG LC_* CANARY\n"
        "Subsystem sftp internal-sftp\nMaxStartups 100:30:200\nLogLevel VERBOSE\n"
    )
    log = directory / "sshd.log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=out, stdin=subprocess.DEVNULL)
    alias = f"sbx-{port}.{host_name}"
    (directory / "known_hosts").write_text(f"{alias} {host_key}\n")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.02)
    settings = SshSettings(
        user=getpass.getuser(),
        identity_file=directory / "real_key",
        known_hosts=directory / "known_hosts",
        hostname=alias,
        port=port,
    )
    return Sshd(process, Host(host_id=f"hst_{host_name}", host_name=host_name, ssh=settings), log)
