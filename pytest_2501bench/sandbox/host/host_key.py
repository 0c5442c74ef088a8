"""Host keys of registered hosts: found in a known_hosts file, or asked of the host once, for a person to confirm."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.host.ssh_reason import ssh_reason
from pytest_2501bench.scratch import scratch


def name_in_known_hosts(address: str, port: int) -> str:
    """Return how a known_hosts file calls a host."""
    return address if port == 22 else f"[{address}]:{port}"


def find_keys(known_hosts: Path, name: str) -> tuple[str, ...]:
    """Return the public keys (``type base64``) that *known_hosts* has for *name*, hashed entries too; maybe none."""
    if not known_hosts.is_file():
        return ()
    done = subprocess.run(
        ["ssh-keygen", "-F", name, "-f", str(known_hosts)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    found = []
    for line in done.stdout.splitlines():
        fields = line.split()
        # Lines with a marker are certificate authorities and revoked keys: neither is the key of a host.
        if len(fields) >= 3 and not line.startswith(("#", "@")):
            found.append(f"{fields[1]} {fields[2]}")
    return tuple(dict.fromkeys(found))


def fingerprints(keys: Iterable[str]) -> tuple[str, ...]:
    """Return ``SHA256:… (ED25519)`` of each public key."""
    done = subprocess.run(
        ["ssh-keygen", "-l", "-f", "-"],
        input="".join(f"{key}\n" for key in keys),
        capture_output=True,
        text=True,
        check=False,
    )
    shown = []
    for line in done.stdout.splitlines():
        fields = line.split()
        if len(fields) >= 3:
            shown.append(f"{fields[1]} {fields[-1]}")
    return tuple(shown)


def scan_keys(address: str, port: int = 22, proxy_command: str | None = None, *, seconds: int = 15) -> tuple[str, ...]:
    """Ask the host at *address* for its key, by connecting once without logging in.

    Nothing says yet that it is the right host: a person has to compare the fingerprint.

    Raises:
        BenchError: ``ssh_not_up``.
    """
    with scratch() as folder:
        known = folder / "known_hosts"
        options = {
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "HashKnownHosts": "no",
            "HostKeyAlias": "scanned",
            "Port": str(port),
            "ConnectTimeout": str(seconds),
            "BatchMode": "yes",
            "PreferredAuthentications": "none",
            **({"ProxyCommand": proxy_command} if proxy_command else {}),
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        try:
            done = subprocess.run(
                ["ssh", "-F", "/dev/null", *words, "--", address, "true"],
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=seconds * 2,
            )
            words_of_ssh = done.stderr
        except subprocess.TimeoutExpired:
            words_of_ssh = "timed out"
        keys = find_keys(known, "scanned")
    if not keys:
        raise BenchError(Cause.SSH_NOT_UP, f"{address}, port {port}: {ssh_reason(words_of_ssh)}.")
    return keys
