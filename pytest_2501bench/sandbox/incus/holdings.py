"""What is ours, here and on servers, and how it goes: by the ledger, and by the marks that our instances carry."""

from __future__ import annotations

import secrets
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.incus import instances
from pytest_2501bench.sandbox.incus.folder import SandboxFolder, bridge_name
from pytest_2501bench.sandbox.incus.instances import OWNER, ROLE, SANDBOX
from pytest_2501bench.sandbox.incus.remotes import place_of
from pytest_2501bench.sandbox.incus.server import IncusError, Server
from pytest_2501bench.sandbox.ledger import Ledger
from pytest_2501bench.sandbox.protocol import Owned

CLONE = "clone"
MODE = "incus"


@dataclass(frozen=True, slots=True)
class Holdings:
    """The sandboxes of one user on this machine, on whatever server they are."""

    state: Path
    server: Server  # of this session

    @property
    def ledger(self) -> Ledger:
        """Who owns which sandbox."""
        return Ledger(self.state / "ledger")

    @property
    def owner(self) -> str:
        """What marks our instances on a server that others use too: drawn once, kept with the ledger."""
        path = self.state / "owner"
        if not path.exists():
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = path.with_name(f".owner-{secrets.token_hex(4)}")
            temporary.write_text(secrets.token_hex(5), encoding="ascii")
            with suppress(FileExistsError):  # the first one wins
                path.hardlink_to(temporary)
            temporary.unlink()
        return path.read_text(encoding="ascii")

    def marks(self, name: str) -> dict[str, str]:
        """Return the configuration by which everything of the sandbox *name* is known on its server."""
        return {OWNER: self.owner, ROLE: CLONE, SANDBOX: name}

    def folder(self, name: str) -> SandboxFolder:
        """Return the folder of the sandbox *name*."""
        return SandboxFolder(self.state / "sandboxes" / name)

    def server_of(self, name: str) -> Server:
        """Return the server on which *name* was made, which may be another than this session's.

        Raises:
            BenchError: ``option_invalid``; the user's ``incus`` program does not know that server any more.
        """
        place = self.folder(name).place()
        return self.server if place in (None, str(self.server.place)) else Server(place_of(place))

    def remove_command(self, name: str) -> str:
        """Return the command that removes the sandbox *name*."""
        module = [sys.executable, "-m", "pytest_2501bench.sandbox.incus"]
        return shlex.join([*module, "--state-dir", str(self.state.parent), "destroy", name])

    def left_behind(self, name: str, left: str) -> BenchError:
        """Say what stands in the way of removing *name*, and what to do."""
        remedy = f"Remove it with `{self.remove_command(name)}`."
        return BenchError(Cause.RESTORE_FAILED, f"sandbox {name} was not removed: {left}.", remedy=remedy)

    def remove(self, name: str) -> str:
        """Remove instances, then their bridge, the folder, and the row last; return what stands in the way."""
        folder = self.folder(name)
        row = any(lease.name == name for lease in self.ledger.leases(MODE))
        if row and folder.place() is None:
            # Nothing is on any server yet: the folder comes first.
            folder.remove()
            self.ledger.remove(name)
            return ""
        try:
            server = self.server_of(name)
            rows = instances.instances_of(server, self.owner)
            server.remove_instances([row["name"] for row in rows if row["config"].get(SANDBOX) == name])
            instances.remove_network(server, bridge_name(name))
        except IncusError as error:
            return error.text
        except BenchError as error:
            return error.message
        folder.remove()
        self.ledger.remove(name)
        return ""

    def owned(self) -> list[Owned]:
        """List the ledger's sandboxes, oldest first."""
        return [
            Owned(lease.name, lease.owner_alive(), lease.owner.pid, lease.created_at, self.remove_command(lease.name))
            for lease in self.ledger.leases(MODE)
        ]

    def reap(self) -> list[str]:
        """Remove the sandboxes of dead owners, and those with our mark on this session's server that no row names.

        Returns their names. What cannot be removed stays in the ledger. Sandboxes of other users and other machines on
        the same server carry other marks.
        """
        removed = []
        with self.ledger.reaping() as mine:
            if not mine:
                return []
            # The server first: what is made from now on has its row already when the ledger is read.
            marked = self._marked()
            leases = self.ledger.leases(MODE)
            dead = [lease.name for lease in leases if not lease.owner_alive()]
            for name in (*sorted(marked - {lease.name for lease in leases}), *dead):
                if not self.remove(name):
                    removed.append(name)
        return removed

    def _marked(self) -> set[str]:
        """Return the sandboxes whose instances or bridges on this session's server carry our mark."""
        try:
            rows = instances.instances_of(self.server, self.owner)
            bridges = instances.bridges_of(self.server, self.owner)
        except IncusError:
            return set()
        return ({row["config"].get(SANDBOX, "") for row in rows} | bridges) - {""}
