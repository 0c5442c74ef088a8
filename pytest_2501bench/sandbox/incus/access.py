"""How we get in: ``sshd -i`` run by ``incus exec``, alike for local and remote servers and for broken networks."""

from __future__ import annotations

import secrets
import shlex
import subprocess
from pathlib import Path

from pytest_2501bench.sandbox.incus.remotes import LOCAL, Place
from pytest_2501bench.sandbox.namespace.access import SSHD_CONFIG as IN_NAMESPACE
from pytest_2501bench.sandbox.namespace.shell import environment
from pytest_2501bench.sandbox.protocol import SshSettings

FOLDER = "/var/lib/sandbox-access"
"""On a host; a scenario may break /etc/ssh and ~/.ssh. Its files come from instance templates at every start."""

SSHD_CONFIG = IN_NAMESPACE.replace("/run/access", FOLDER)

# Before systemd has mounted /run, what is made there for sshd would be gone a moment later. Five seconds at most: a
# scenario may have broken systemd.
_BOOTED = "i=0; while [ ! -S /run/systemd/private ] && [ $i -lt 100 ]; do i=$((i+1)); sleep 0.05; done"


def make_key(path: Path) -> tuple[str, str]:
    """Make a key pair at *path*; return its private and its public half."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
        env=environment(),
    )
    return path.read_text(encoding="ascii"), path.with_name(f"{path.name}.pub").read_text(encoding="ascii").strip()


def machine_id() -> str:
    """Return a new identity for /etc/machine-id: with one, systemd does not take a boot for the first."""
    return secrets.token_hex(16)


def proxy_command(place: Place, instance: str) -> str:
    """Return the command that connects its own input and output to a sshd in *instance*."""
    settings = [f"INCUS_CONF={place.config_dir}"]
    if place.socket is not None:
        settings.append(f"INCUS_SOCKET={place.socket}")
    name = f"{LOCAL if place.socket is not None else place.remote}:{instance}"
    sshd = f"{_BOOTED}; mkdir -p -m 755 /run/sshd; exec /usr/sbin/sshd -i -f {FOLDER}/sshd_config"
    words = ["env", *settings, "incus", "exec", name, "--project", place.project, "--mode", "non-interactive"]
    return shlex.join([*words, "--", "sh", "-c", sshd]).replace("%", "%%")


def ssh_settings(directory: Path, place: Place, instance: str, alias: str) -> SshSettings:
    """Return how to log in to *instance* with the key and the known_hosts in *directory*."""
    return SshSettings(
        user="root",
        identity_file=directory / "key",
        known_hosts=directory / "known_hosts",
        hostname=alias,
        proxy_command=proxy_command(place, instance),
    )
