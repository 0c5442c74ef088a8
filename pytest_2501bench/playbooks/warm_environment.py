"""Which playbooks one warm Ansible can serve: those with the same environment, but for what each has of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pytest_2501bench.playbooks.environment import TOKEN

OWN = frozenset({"ANSIBLE_HOME", "ANSIBLE_REMOTE_TEMP", "ANSIBLE_REMOTE_TMP", "AWX_ISOLATED_DATA_DIR", "TMPDIR", TOKEN})
"""What each playbook has of its own: Ansible reads it when it needs it, or is made to read it again in the fork."""


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return the names of variables in which *one* differs from *other* and must not, sorted."""
    return sorted(name for name in {*one, *other} - OWN if one.get(name) != other.get(name))


def digest(environment: Mapping[str, str]) -> str:
    """Return the same text for environments without :func:`differences`, and for no others."""
    kept = sorted((name, value) for name, value in environment.items() if name not in OWN)
    return hashlib.sha256(repr(kept).encode(errors="surrogateescape")).hexdigest()[:32]
