"""The generated inventory: how Ansible reaches the hosts of one run, in a form the scenario cannot change."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pytest_2501bench.playbooks.environment import Patience
from pytest_2501bench.sandbox.protocol import Host, SshSettings

# These have inventory variables of their own.
_AS_VARIABLE = frozenset({"HostName", "Port", "User", "IdentityFile"})
_PATHS = frozenset({"UserKnownHostsFile", "GlobalKnownHostsFile"})


class _Verbatim(str):
    """A string in which Ansible must not look for ``{{ … }}``."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


def _represent_verbatim(dumper: yaml.SafeDumper, value: _Verbatim) -> yaml.ScalarNode:
    # Ansible reads an empty !unsafe as null.
    return dumper.represent_scalar("!unsafe" if value else "tag:yaml.org,2002:str", str(value), style='"')


_Dumper.add_representer(_Verbatim, _represent_verbatim)


def control_path(ssh: SshSettings, directory: Path) -> Path:
    """Return the control socket of one host, below *directory*.

    Ansible's own name for it is made of address, port and user only: two sandboxes behind different proxy commands
    would share a connection, and a playbook would run on the wrong host.
    """
    parts = (ssh.hostname, ssh.address, str(ssh.port), ssh.user, str(ssh.identity_file), ssh.proxy_command or "")
    return directory / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _ssh_word(value: str) -> str:
    """Quote a path for a ``-o`` option: ssh splits at blanks and expands ``%`` there."""
    value = value.replace("%", "%%")
    return f'"{value}"' if any(c.isspace() for c in value) else value


def connection_arguments(patience: Patience) -> list[str]:
    """Return the ssh arguments that hold for every host; the user's and the system's ssh_config are not read."""
    return [
        *("-F", "/dev/null"),
        *("-o", "ControlMaster=auto"),
        *("-o", f"ControlPersist={patience.persist}"),
        *("-o", f"ServerAliveInterval={patience.alive_interval}"),
        *("-o", f"ServerAliveCountMax={patience.alive_count}"),
    ]


def host_arguments(ssh: SshSettings) -> list[str]:
    """Return the ssh arguments of one host (``-o Name=value`` …), unquoted for a shell."""
    arguments: list[str] = []
    for name, value in ssh.options().items():
        if name not in _AS_VARIABLE:
            arguments += ["-o", f"{name}={_ssh_word(value) if name in _PATHS else value}"]
    return arguments


def connection_variables(host: Host, control: Path, patience: Patience) -> dict[str, Any]:
    """Return every variable that decides where and how Ansible connects, aliases included.

    An alias counts too: Ansible takes the last one that is set, so a group variable ``ansible_ssh_host`` would win over
    our ``ansible_host``.
    """
    ssh = host.ssh
    key = str(ssh.identity_file).replace("%", "%%")
    socket = str(control_path(ssh, control)).replace("%", "%%%%")  # expanded by Ansible, then by ssh
    return {
        "ansible_connection": "ssh",
        "ansible_host": ssh.address,
        "ansible_ssh_host": ssh.address,
        "ansible_port": ssh.port,
        "ansible_ssh_port": ssh.port,
        "ansible_user": ssh.user,
        "ansible_ssh_user": ssh.user,
        "ansible_private_key_file": key,
        "ansible_ssh_private_key_file": key,
        "ansible_ssh_args": shlex.join(connection_arguments(patience)),
        "ansible_ssh_common_args": shlex.join(host_arguments(ssh)),
        "ansible_ssh_extra_args": "",
        "ansible_sftp_extra_args": "",
        "ansible_scp_extra_args": "",
        "ansible_ssh_executable": "ssh",
        "ansible_ssh_timeout": patience.connect,
        "ansible_control_path": socket,
        "ansible_control_path_dir": str(control),
        "ansible_host_key_checking": True,
        "ansible_ssh_host_key_checking": True,
        "ansible_python_interpreter": host.python,
    }


RESERVED = frozenset(
    {
        "ansible_connection",
        "ansible_host",
        "ansible_ssh_host",
        "ansible_port",
        "ansible_ssh_port",
        "ansible_user",
        "ansible_ssh_user",
        "ansible_private_key_file",
        "ansible_ssh_private_key_file",
        "ansible_ssh_args",
        "ansible_ssh_common_args",
        "ansible_ssh_extra_args",
        "ansible_sftp_extra_args",
        "ansible_scp_extra_args",
        "ansible_ssh_executable",
        "ansible_ssh_timeout",
        "ansible_control_path",
        "ansible_control_path_dir",
        "ansible_host_key_checking",
        "ansible_ssh_host_key_checking",
        "ansible_python_interpreter",
    }
)
"""Variables that belong to the run: a scenario cannot set them."""


def run_inventory(hosts: Sequence[Host], control: Path, patience: Patience) -> str:
    """Return the inventory of *hosts* as YAML; every host is in ``all``, by its ``host_name``."""
    entries = {
        host.host_name: {
            name: _Verbatim(value) if isinstance(value, str) else value
            for name, value in connection_variables(host, control, patience).items()
        }
        for host in hosts
    }
    return yaml.dump({"all": {"hosts": entries}}, Dumper=_Dumper, sort_keys=False, width=2**16, allow_unicode=True)
