"""The way into a guest: keys made for one sandbox, SSH settings from Lima's ssh.config, scripts run as root."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.lima.limactl import Instance, environment
from pytest_2501bench.sandbox.protocol import SshSettings

UP_SECONDS: Final = 120.0
"""limactl start returns when the guest answers; only sshd's restart with its new key may still be under way."""
_SETTLED: Final = (
    'n=0; until s=$(systemctl is-system-running --wait 2>/dev/null); [ -n "$s" ] && [ "$s" != offline ];'
    " do n=$((n+1)); [ $n -gt 400 ] && break; sleep 0.05; done; true"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What one guest is given, and the files on our side that match."""

    alias: str  # in known_hosts
    identity: Path
    public_key: str
    host_key: str  # private: the guest's
    known_hosts: Path


def _keygen(path: Path) -> str:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, env=environment())
    return path.with_name(f"{path.name}.pub").read_text(encoding="ascii").strip()


def make_login_key(directory: Path) -> None:
    """Make the key with which we log in to the guests of one sandbox: the file ``key`` in *directory*."""
    _keygen(directory / "key")


def make_keys(directory: Path, alias: str) -> Keys:
    """Make the host key of one guest, known under *alias*; the login key is there already."""
    identity = directory / "key"
    path = directory / f"host_key-{alias.rpartition('-')[2]}"
    public = _keygen(path)
    with (directory / "known_hosts").open("a", encoding="ascii") as file:
        file.write(f"{alias} {public}\n")
    return read_keys(directory, alias, identity, path)


def read_keys(directory: Path, alias: str, identity: Path | None = None, path: Path | None = None) -> Keys:
    """Read back what :func:`make_keys` made."""
    identity = identity or directory / "key"
    path = path or directory / f"host_key-{alias.rpartition('-')[2]}"
    return Keys(
        alias=alias,
        identity=identity,
        public_key=identity.with_name("key.pub").read_text(encoding="ascii").strip(),
        host_key=path.read_text(encoding="ascii"),
        known_hosts=directory / "known_hosts",
    )


def ssh_settings(instance: Instance, keys: Keys) -> SshSettings:
    """Take from Lima's ssh.config where the guest is, and nothing else: Lima itself checks no host key.

    Raises:
        BenchError: ``ssh_not_up``; there is no such file, or OpenSSH cannot read it.
    """
    if instance.ssh_config is None or not instance.ssh_config.is_file():
        raise BenchError(Cause.SSH_NOT_UP, f"instance {instance.name} has no ssh.config: it was never started")
    done = subprocess.run(
        ["ssh", "-G", "-F", str(instance.ssh_config), instance.hostname],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment(),
    )
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    if done.returncode != 0 or not found.get("port", "").isdigit():
        raise BenchError(
            Cause.SSH_NOT_UP, f"OpenSSH cannot read {instance.ssh_config}: {done.stderr.strip() or 'no port'}"
        )
    proxy = found.get("proxycommand", "none")
    return SshSettings(
        user="root",
        identity_file=keys.identity,
        known_hosts=keys.known_hosts,
        hostname=keys.alias,
        address=found["hostname"],
        port=int(found["port"]),
        proxy_command=None if proxy == "none" else proxy,
    )


def ssh_argv(ssh: SshSettings, command: str) -> list[str]:
    """Return the command line that runs *command* in the guest."""
    options = [word for name, value in ssh.options().items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "/dev/null", "-o", "ConnectTimeout=10", *options, ssh.hostname, command]


def wait_up(host_name: str, ssh: SshSettings) -> None:
    """Wait until the guest answers with its own host key, and its boot is over.

    Raises:
        BenchError: ``ssh_not_up`` with the last words of ssh.
    """
    deadline = time.monotonic() + UP_SECONDS
    while True:
        try:
            done = subprocess.run(
                ssh_argv(ssh, _SETTLED),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                env=environment(),
                timeout=max(1.0, deadline - time.monotonic()),
            )
            said = "; ".join(done.stderr.strip().splitlines())[:300] or f"exit {done.returncode}"
            if done.returncode == 0:
                return
        except subprocess.TimeoutExpired:
            said = f"no answer after {UP_SECONDS:.0f} s"
        # Without the key the sandbox was removed meanwhile, by our own main thread on Ctrl-C for instance.
        if time.monotonic() > deadline or not ssh.identity_file.exists():
            raise BenchError(Cause.SSH_NOT_UP, f"host {host_name} does not answer SSH: {said}")
        time.sleep(0.2)


def ask(ssh: SshSettings, command: str, *, seconds: float = 60) -> str:
    """Return the output of a short command in the guest.

    Raises:
        BenchError: ``ssh_not_up``; it failed.
    """
    try:
        done = subprocess.run(
            ssh_argv(ssh, command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=environment(),
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(Cause.SSH_NOT_UP, f"{ssh.hostname}: no answer after {seconds:.0f} s") from None
    if done.returncode != 0:
        raise BenchError(Cause.SSH_NOT_UP, f"{ssh.hostname}: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done.stdout


_ADDRESS: Final = "hostname -I"


def address_of(ssh: SshSettings) -> str | None:
    """Return the guest's first IPv4 address on a network."""
    words = ask(ssh, _ADDRESS).split()
    return next((word for word in words if re.fullmatch(r"\d+(\.\d+){3}", word)), None)


def run_script(ssh: SshSettings, script: str, log: Path, *, seconds: float) -> int | None:
    """Run a shell script as root in the guest, its output added to *log*; return its exit status, None at the deadline.

    It is ended with us when we are interrupted.
    """
    with log.open("a", encoding="utf-8") as file:
        process = subprocess.Popen(
            ssh_argv(ssh, "sh -s"),
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            text=True,
            start_new_session=True,
            env=environment(),
        )
        try:
            process.communicate(script, timeout=seconds)
        except BaseException as error:
            process.kill()
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                return None
            raise
    return process.returncode


def write_ssh_config(path: Path, hosts: Mapping[str, SshSettings]) -> str:
    """Write an ssh_config by which a person reaches each host by its name; return the command for the first one."""
    lines: list[str] = []
    for name, ssh in hosts.items():
        lines += [f"Host {name}", *(f"  {option} {value}" for option, value in ssh.options().items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return shlex.join(["ssh", "-F", str(path), next(iter(hosts))])


def missing_programs() -> list[str]:
    """Return those of the programs that we need and that are not installed."""
    return [name for name in ("ssh", "ssh-keygen") if shutil.which(name) is None]
