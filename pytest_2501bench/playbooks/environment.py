"""The environment that Ansible gets: built from an allow-list, because ansible-runner writes all of it to disk."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause

# Where things are, never what opens them: no token, key, password, proxy credential or agent socket passes.
_PASSED = frozenset(
    {
        "HOME",
        "USER",
        "LOGNAME",
        "TZ",
        "XDG_RUNTIME_DIR",
        "INCUS_DIR",
        "INCUS_SOCKET",
        "LIMA_HOME",
        "ANSIBLE_VAULT_PASSWORD_FILE",
    }
)
# Installed content of the user's. It must be named, because ANSIBLE_HOME is moved into the private directory.
_CONTENT = {
    "ANSIBLE_COLLECTIONS_PATH": "{home}/.ansible/collections:/usr/share/ansible/collections",
    "ANSIBLE_ROLES_PATH": "{home}/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles",
}
PROGRAMS = ("ansible-playbook", "ansible-inventory", "ssh")
TOKEN = "PYTEST_2501BENCH_PLAYBOOK"  # noqa: S105 - a mark by which the processes of one playbook are found again


@dataclass(frozen=True, slots=True)
class Patience:
    """How soon a host that does not answer counts as unreachable, in seconds.

    A connection that stops answering is given up after ``alive_interval * alive_count`` (plus one interval at most).
    """

    connect: int = 10
    alive_interval: int = 6
    alive_count: int = 4
    persist: int = 60  # an unused SSH master ends by itself after this, should we be killed before we can end it


def search_path(programs: Path | None, environ: Mapping[str, str]) -> str:
    """Return ``PATH`` with the folder of *programs* (default: our interpreter's) in front.

    Without it a virtual environment that is not activated gives exit status 127 and no exception.
    """
    first = programs or Path(sys.executable).parent
    return os.pathsep.join([str(first), environ.get("PATH") or os.defpath])


def missing_programs(path: str) -> list[str]:
    """Return the programs a playbook needs that are not on *path*."""
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def require_programs(path: str) -> None:
    """Raise ``tool_missing`` when a program that a playbook needs is absent."""
    missing = missing_programs(path)
    if not missing:
        return
    remedy = (
        "Install the OpenSSH client." if missing == ["ssh"] else "Install it beside pytest: pip install ansible-core."
    )
    raise BenchError(Cause.TOOL_MISSING, f"{missing[0]} is not on PATH.", remedy=remedy)


def ansible_environment(
    home: Path,
    *,
    path: str,
    config: Path,
    patience: Patience,
    environ: Mapping[str, str],
    token: str = "",
) -> dict[str, str]:
    """Return the whole environment of one Ansible process.

    Args:
        home: private directory of this playbook; it must exist; temporary files of Ansible and of local tasks go there.
        path: see :func:`search_path`.
        config: ansible.cfg to read; the user's and the machine's own must not change a result.
        patience: limits for connections.
        environ: the environment to take the allowed part of.
        token: mark of this playbook's processes.
    """
    env = {name: value for name, value in environ.items() if name in _PASSED}
    user_home = environ.get("HOME") or str(Path.home())
    env |= {name: environ.get(name) or default.format(home=user_home) for name, default in _CONTENT.items()}
    return env | {
        "PATH": path,
        # Ansible refuses other encodings (LC_ALL=C in a CI job), and messages must not depend on the user's language.
        "LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": environ.get("PYTHONDONTWRITEBYTECODE", ""),
        TOKEN: token,
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOME": str(home),
        "TMPDIR": str(home),  # a local task that is ended at its deadline cannot remove what it unpacked
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_TIMEOUT": str(patience.connect),
        "ANSIBLE_SSH_USETTY": "False",  # raw and script: no pager waits for a key, stderr stays apart
        "ANSIBLE_NO_TARGET_SYSLOG": "True",  # else the host's journal tells the agent what prepare.yml did
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_INVENTORY_ENABLED": "yaml,ini",  # an inventory.ini with the executable bit is not a program
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",  # else a broken inventory is a warning
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "ANSIBLE_DEVEL_WARNING": "False",
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_STDOUT_CALLBACK": "",  # empty, not absent: ansible-runner falls back to the process environment
        "ANSIBLE_CALLBACK_PLUGINS": "",
        "AWX_LIB_DIRECTORY": "",
        # The only way to learn which arguments the author wrote; the log's banners are cleaned of them again.
        "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "True",
    }
