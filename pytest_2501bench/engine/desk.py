"""What the routes share: the repository, the orchestrator, and the files of registered credentials."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.engine.orchestrator import Orchestrator
from pytest_2501bench.engine.rows import key_files
from pytest_2501bench.engine.state import Repository, StoredHost
from pytest_2501bench.engine.wire import HostIn
from pytest_2501bench.sandbox.protocol import Host, SshSettings


@dataclass(frozen=True, slots=True)
class Desk:
    """The engine behind its API.

    *same_machine*: clients are on this machine and hold its key, so paths and proxy commands of theirs are taken; for
    an engine on the network they would be a way to run anything.
    """

    repository: Repository
    orchestrator: Orchestrator
    directory: Path  # private (0700)
    same_machine: bool

    def admit(self, host: HostIn) -> StoredHost:
        """Write the host's credentials to private files, and return the host as agents' adapters use it."""
        key, known = key_files(self.directory, host.host_id)
        key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key.touch(mode=0o600)
        text = host.ssh.private_key.get_secret_value()
        key.write_text(text if text.endswith("\n") else text + "\n")
        known.write_text(host.ssh.known_hosts)
        return StoredHost(
            Host(
                host_id=host.host_id,
                host_name=host.host_name,
                python=host.python,
                ssh=SshSettings(
                    user=host.ssh.user,
                    identity_file=key,
                    known_hosts=known,
                    hostname=host.ssh.hostname,
                    address=host.ssh.address,
                    port=host.ssh.port,
                    proxy_command=host.ssh.proxy_command,
                ),
            ),
            fingerprint(host),
        )

    def dismiss(self, host: StoredHost) -> None:
        """Remove the host's credentials."""
        shutil.rmtree(self.directory / "hosts" / host.host.host_id, ignore_errors=True)

    def sweep(self) -> None:
        """Remove credentials of hosts that are not registered: a crash came between."""
        known = {stored.host.host_id for stored in self.repository.hosts()}
        for folder in (self.directory / "hosts").glob("*"):
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)


def fingerprint(host: HostIn) -> str:
    """Return a digest of everything that was said of *host*, its key included."""
    said = host.model_dump(mode="json")
    said["ssh"]["private_key"] = host.ssh.private_key.get_secret_value()
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
