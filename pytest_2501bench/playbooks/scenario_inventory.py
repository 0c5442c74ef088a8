"""What a scenario's own inventory may say: groups and variables for the run's hosts, nothing else."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_2501bench.playbooks.complaint import complaint
from pytest_2501bench.playbooks.inventory import RESERVED
from pytest_2501bench.playbooks.message import last_lines

_TIMEOUT = 60.0
_ASSIGNED = re.compile(r"^\s*[\"']?(?P<name>ansible_\w+)[\"']?\s*[:=]", re.M)


class InventoryProblem(Exception):  # noqa: N818 - it is the inventory's, found by us
    """The scenario's inventory cannot be used; the message is one line that says why."""


def read_hosts(inventory: Path, environment: Mapping[str, str]) -> frozenset[str]:
    """Return the hosts that *inventory* names, as Ansible itself reads it (ranges expanded); about half a second.

    Raises:
        InventoryProblem: it cannot be read.
    """
    try:
        done = subprocess.run(
            ["ansible-inventory", "-i", str(inventory), "--list"],
            env=dict(environment),
            cwd=inventory.parent,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as e:
        raise InventoryProblem(f"{inventory.name}: ansible-inventory did not end within {_TIMEOUT:g} s") from e
    if done.returncode:
        words = complaint(done.stderr, inventory.parent)
        raise InventoryProblem(f"{inventory.name}: {words or last_lines(done.stderr, 300)}")
    groups: dict[str, Any] = json.loads(done.stdout)
    named = {host for group in groups.values() for host in group.get("hosts", ())}
    return frozenset(named | set(groups.get("_meta", {}).get("hostvars", {})))


def check_hosts(inventory: Path, named: Iterable[str], hosts: Sequence[str]) -> None:
    """Raise :class:`InventoryProblem` when *inventory* names a host that the run does not have.

    It is not dropped in silence: a play on it would be skipped, and a check that is skipped looks like one that passed.
    ``localhost`` is refused with the rest, since ``hosts: all`` would then break the machine that runs the benchmark.
    """
    foreign = sorted(set(named) - set(hosts))
    if foreign:
        raise InventoryProblem(
            f"{inventory.name}: no such host in this scenario: {', '.join(foreign)} "
            f"(its hosts: {', '.join(hosts)}). The inventory may only group the scenario's hosts"
        )


def check_host_variables(folder: Path, hosts: Sequence[str]) -> None:
    """Raise when ``host_vars/`` sets what belongs to the run: beside a playbook it would win over any inventory."""
    for host in hosts:
        base = folder / "host_vars" / host
        files = [base, *(base.with_name(base.name + end) for end in (".yml", ".yaml", ".json"))]
        files += sorted(base.rglob("*")) if base.is_dir() else []
        for file in files:
            if file.is_file():
                text = file.read_text(encoding="utf-8", errors="replace")
                for found in _ASSIGNED.finditer(text):
                    if found["name"] in RESERVED:
                        line = text.count("\n", 0, found.start("name")) + 1
                        raise InventoryProblem(
                            f"{file.relative_to(folder)}:{line}: {found['name']} belongs to the run; remove it"
                        )
