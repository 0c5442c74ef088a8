"""How we get in: keys made for one sandbox, its known_hosts, a connect program that runs ``sshd -i`` in the host."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from pytest_2501bench.sandbox.namespace.shell import SCRIPTS, environment
from pytest_2501bench.sandbox.protocol import SshSettings

# No PAM and no daemon: what this sshd needs lies in one folder of a tmpfs; a scenario may break /etc/ssh and ~/.ssh.
SSHD_CONFIG = """\
HostKey /run/access/host_key
AuthorizedKeysFile /run/access/authorized_keys .ssh/authorized_keys
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
LogLevel ERROR
X11Forwarding no
AcceptEnv LANG LC_*
SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
Subsystem sftp internal-sftp
"""


def _keygen(path: Path) -> str:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
        env=environment(),
    )
    return path.with_name(f"{path.name}.pub").read_text(encoding="ascii").strip()


def make_login_key(directory: Path) -> str:
    """Make the key with which we log in to the hosts of one sandbox; return its public half."""
    return _keygen(directory / "key")


def make_host_access(directory: Path, index: int, alias: str, public_key: str) -> SshSettings:
    """Prepare host *index* of the sandbox in *directory*: host key, sshd settings, known_hosts, connect program."""
    access = directory / str(index) / "access"
    access.mkdir(parents=True, mode=0o700)
    host_key = _keygen(access / "host_key")
    (access / "authorized_keys").write_text(f"{public_key}\n", encoding="ascii")
    (access / "sshd_config").write_text(SSHD_CONFIG, encoding="ascii")
    known_hosts = directory / "known_hosts"
    with known_hosts.open("a", encoding="ascii") as file:
        file.write(f"{alias} {host_key}\n")
    connect = directory / f"connect-{index}"
    script = (SCRIPTS / "connect.sh").read_text(encoding="utf-8")
    root = os.geteuid() == 0
    for name, value in {
        "@DIR@": str(directory),
        "@INDEX@": str(index),
        "@USER@": "" if root else "--user --preserve-credentials",
        "@VARIANT@": "root" if root else "user",
    }.items():
        script = script.replace(name, value)
    connect.write_text(script, encoding="utf-8")
    connect.chmod(0o700)
    return SshSettings(
        user="root",
        identity_file=directory / "key",
        known_hosts=known_hosts,
        hostname=alias,
        proxy_command=shlex.quote(str(connect)),
    )


def ssh_argv(ssh: SshSettings, *command: str) -> list[str]:
    """Return the command line that runs *command* on the host with OpenSSH."""
    options = [word for name, value in ssh.options().items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "/dev/null", *options, ssh.hostname, *command]


def write_ssh_config(path: Path, hosts: dict[str, SshSettings]) -> None:
    """Write an ssh_config by which a person (``ssh -F``) reaches each host by its name."""
    lines: list[str] = []
    for name, ssh in hosts.items():
        lines += [f"Host {name}", *(f"  {option} {value}" for option, value in ssh.options().items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
