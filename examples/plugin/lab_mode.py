"""Mode ``lab``: one machine that is always there, reached by SSH and put back by the scenario's restore.yml.

Settings come from the environment: LAB_ADDRESS, LAB_PORT, LAB_USER, LAB_KEY (private key), LAB_KNOWN_HOSTS (file with
the machine's host key under the name "lab").
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.ids import new_id
from pytest_2501bench.sandbox.protocol import (
    KNOWN_CAPABILITIES,
    Capabilities,
    Host,
    HostSpec,
    Obstacle,
    Owned,
    Progress,
    Sandbox,
    SshSettings,
    silent,
)

NEEDED = ("LAB_ADDRESS", "LAB_USER", "LAB_KEY", "LAB_KNOWN_HOSTS")


class LabProvider:
    """Implements ``SandboxProvider``."""

    mode = "lab"

    def preflight(self) -> list[Obstacle]:
        missing = [name for name in NEEDED if not os.environ.get(name)]
        if missing:
            return [Obstacle(f"not set: {', '.join(missing)}", "Say where the lab machine is.")]
        problem = self._silence()
        return [Obstacle(problem, "Start the machine, or correct LAB_ADDRESS.")] if problem else []

    def capabilities(self, template: str) -> Capabilities:
        # fresh=False: hosts are used as they are, restore.yml runs at the end, and scenarios must name a host_id.
        names = frozenset({"systemd"})
        return Capabilities(names, dict.fromkeys(KNOWN_CAPABILITIES - names, "the lab is one machine"), fresh=False)

    def prepare_images(self, specs: Sequence[HostSpec], progress: Progress = silent) -> None:
        packages = sorted({package for spec in specs for package in spec.packages})
        if packages:
            progress(f"the lab machine must have: {', '.join(packages)}")

    def create(self, specs: Sequence[HostSpec], progress: Progress = silent) -> Sandbox:
        if len(specs) != 1:
            raise BenchError(Cause.SANDBOX_NOT_CREATED, f"the lab is one machine, the scenario wants {len(specs)}")
        (spec,) = specs
        return Sandbox(new_id("sbx"), (Host(spec.host_id or new_id("hst"), spec.host_name, self._ssh()),))

    def reset(self, sandbox: Sandbox) -> Sandbox:
        return sandbox

    def alive(self, sandbox: Sandbox) -> str | None:
        return self._silence()

    def destroy(self, sandbox: Sandbox) -> None:
        """Nothing was made, nothing is removed."""

    def list_owned(self) -> list[Owned]:
        return []

    def reap(self) -> list[str]:
        return []

    def _ssh(self) -> SshSettings:
        return SshSettings(
            user=os.environ["LAB_USER"],
            identity_file=Path(os.environ["LAB_KEY"]),
            known_hosts=Path(os.environ["LAB_KNOWN_HOSTS"]),
            hostname="lab",
            address=os.environ["LAB_ADDRESS"],
            port=int(os.environ.get("LAB_PORT", "22")),
        )

    def _silence(self) -> str | None:
        """Return why the machine does not answer, or None."""
        ssh = self._ssh()
        try:
            socket.create_connection((ssh.address, ssh.port), timeout=3).close()
        except OSError as exc:
            return f"the lab machine {ssh.address}:{ssh.port} does not answer: {exc}"
        return None
