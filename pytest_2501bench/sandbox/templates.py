"""What each template contains, and a fingerprint of it: stale images are rebuilt, clones never touch a template."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

SUITE = "bookworm"
"""Debian 12, as the contract says."""


@dataclass(frozen=True, slots=True)
class Template:
    """Definition of a machine that runs clone; each mode builds it in its own native form."""

    name: str
    packages: tuple[str, ...]
    cpus: int = 1
    ram_gb: float = 1.0
    disk_gb: int = 10

    def fingerprint(self, recipe: str = "") -> str:
        """Return 12 hexadecimal digits that change with the definition or with the mode's *recipe* for building it."""
        definition = json.dumps({"suite": SUITE, "recipe": recipe, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(definition.encode()).hexdigest()[:12]


_CONTRACT = ("curl", "wget", "python3", "vim", "git")
_SYSTEM = ("systemd", "systemd-sysv", "dbus", "openssh-server", "openssh-client", "sudo", "cron", "logrotate")
# acl: Ansible needs setfacl to become an unprivileged user. The rest: what an operator expects to find on any server.
_OPERATING = ("acl", "ca-certificates", "file", "iproute2", "iputils-ping", "less", "lsof", "procps", "psmisc")

TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {"debian-base": Template("debian-base", packages=tuple(sorted((*_CONTRACT, *_SYSTEM, *_OPERATING))))}
)
