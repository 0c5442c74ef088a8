"""``--mode host``: machines that somebody keeps. A run takes them, puts them back by restore.yml, and lets them go."""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.ids import new_id
from pytest_2501bench.sandbox.host.enrol import enrol_inventory
from pytest_2501bench.sandbox.host.hold import HostHolds
from pytest_2501bench.sandbox.host.identity import resolve
from pytest_2501bench.sandbox.host.look import Seen, look, settings_of
from pytest_2501bench.sandbox.host.pool import HostPool
from pytest_2501bench.sandbox.ledger import Ledger
from pytest_2501bench.sandbox.namespace.access import write_ssh_config
from pytest_2501bench.sandbox.protocol import (
    Host,
    HostSpec,
    Image,
    Obstacle,
    Owned,
    Progress,
    Sandbox,
    SshSettings,
    silent,
)
from pytest_2501bench.store.leases import Leases
from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.repository import Store

if TYPE_CHECKING:
    from pytest_2501bench.options import Settings

ANSWER_SECONDS = 30.0
"""How long a host that does not answer is asked again: it may be booting."""


class HostProvider(HostPool):
    """Implements :class:`pytest_2501bench.sandbox.protocol.SandboxProvider`.

    A sandbox is a lease on registered hosts, and a folder with the known_hosts of one run.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        state_dir: Path,
        *,
        org_id: str | None = None,
        inventory: Path | None = None,
        inventory_source: str = "--hosts",
        vm_templates_path: Path | None = None,
        bench_dir: Path | None = None,
    ) -> None:
        """Name the places; touches nothing.

        Args:
            open_store: gives the database with the registered hosts; called on first use.
            state_dir: of this user on this machine: locks, the ledger, and a folder per sandbox.
            org_id: only hosts of this organization, or of none, are used.
            inventory: Ansible inventory that :meth:`preflight` registers.
            inventory_source: where *inventory* came from, for messages.
            vm_templates_path: folder with further templates.
            bench_dir: for the commands that are shown to people.
        """
        super().__init__(open_store, state_dir.absolute() / "host", org_id, vm_templates_path)
        self._inventory = inventory
        self._inventory_source = inventory_source
        self._bench_dir = bench_dir
        self._session = secrets.token_hex(4)
        self.ledger = Ledger(self._state / "ledger")
        self._holds = HostHolds(lambda: Leases(self.store), self._state / "locks")

    @classmethod
    def of(cls, settings: Settings) -> HostProvider:
        """Return the provider of a session."""
        from pytest_2501bench.sandbox.namespace import default_cache_dir

        def place(name: str) -> str:
            return settings.sources.get(name, "environment").removeprefix(f"{name.upper()} in ")

        def open_store() -> Store:
            settings.bench_dir.mkdir(parents=True, exist_ok=True)
            return Store.open(settings.database_url, settings.bench_dir, place("database_url"))

        source = settings.sources.get("hosts", "--hosts")
        return cls(
            open_store,
            default_cache_dir(),
            org_id=settings.org_id,
            inventory=settings.hosts,
            inventory_source=source if source in ("default", "--hosts") else f"--hosts (from {source})",
            vm_templates_path=settings.vm_templates_path,
            bench_dir=settings.bench_dir,
        )

    # ---- what there is --------------------------------------------------------------------------------------------

    def preflight(self) -> list[Obstacle]:
        """Register the hosts of ``--hosts``, then return everything that stands in the way.

        Raises:
            BenchError: ``option_invalid``: the inventory, told with its host and variable.
        """
        missing = [tool for tool in ("ssh", "ssh-keygen") if shutil.which(tool) is None]
        if missing:
            return [Obstacle(f"{missing[0]} is not on PATH", "Install the OpenSSH client.")]
        if self._inventory is not None:
            enrol_inventory(self.store, self._inventory, self._state, org_id=self.org_id, source=self._inventory_source)
            self._told.clear()
        if not self.hosts():
            return [
                Obstacle(
                    f"no host is registered in {self.store.target.shown}",
                    "Name an Ansible inventory with --hosts INVENTORY, or add one with `2501bench hosts add`; "
                    "--mode namespace needs none.",
                )
            ]
        return []

    # ---- runs -----------------------------------------------------------------------------------------------------

    def prepare_images(self, specs: Sequence[HostSpec], progress: Progress = silent) -> None:
        """Do nothing: registered hosts are used as they are."""

    def create(self, specs: Sequence[HostSpec], progress: Progress = silent) -> Sandbox:
        """Wait until the hosts are free, take them, and return when each has answered with its recorded key.

        Raises:
            BenchError: ``sandbox_not_created`` (a host is not registered), ``host_quarantined``, ``ssh_not_up`` or
                ``database_lost``.
        """
        return self.take(specs, progress)

    def take(self, specs: Sequence[HostSpec], progress: Progress = silent, *, quarantined: bool = False) -> Sandbox:
        """As :meth:`create`; with *quarantined* also hosts that runs may not have."""
        hosts = resolve(specs, self.hosts())
        if not quarantined:
            _refuse_quarantined(hosts)
        name = new_id("sbx")
        self.ledger.add(self.mode, name, self._session)
        try:
            self._holds.take(hosts, name, progress)
            hosts = resolve(specs, self.hosts())  # as they are now, after we have waited
            if not quarantined:
                _refuse_quarantined(hosts)
            return self._enter(name, specs, hosts)
        except BaseException:
            self._let_go(name)
            raise

    def _enter(self, name: str, specs: Sequence[HostSpec], registered: Sequence[RegisteredHost]) -> Sandbox:
        directory = self._directory(name)
        directory.mkdir(parents=True, mode=0o700)
        access = [
            settings_of(host, f"{name.replace('_', '-')}-{index}", directory)
            for index, host in enumerate(registered, start=1)
        ]
        with ThreadPoolExecutor(min(8, len(access))) as pool:
            seen = list(pool.map(_until_it_answers, registered, access))
        hosts = []
        for spec, host, ssh, found in zip(specs, registered, access, seen, strict=True):
            obstacle = found.lack()
            if obstacle is not None:
                what = (
                    f"host {host.host_name} ({host.ssh_user}@{host.ssh_address}, port {host.ssh_port}): {obstacle[0]}."
                )
                raise BenchError(Cause.SSH_NOT_UP, what, remedy=obstacle[1])
            self._knowledge.note(host, found.facts)
            hosts.append(
                Host(
                    host_id=host.host_id,
                    host_name=host.host_name if spec.host_name == host.host_id else spec.host_name,
                    ssh=ssh,
                    address=host.address,
                    template=spec.template,
                    python=host.python,
                    systemd=found.facts["systemd"] is True,
                )
            )
        config = directory / "ssh_config"
        write_ssh_config(config, {host.host_name: host.ssh for host in hosts})
        sandbox = Sandbox(
            name=name,
            hosts=tuple(hosts),
            directory=directory,
            enter=shlex.join(["ssh", "-F", str(config), hosts[0].host_name]),
            remove=self._release_command(name),
        )
        (directory / "sandbox.json").write_text(json.dumps(asdict(sandbox), default=str), encoding="utf-8")
        return sandbox

    def reset(self, sandbox: Sandbox) -> Sandbox:
        """Return *sandbox* as it is: only restore.yml puts registered hosts back, and it runs before every attempt."""
        return sandbox

    def alive(self, sandbox: Sandbox) -> str | None:
        """Return None while this process has the hosts to itself, else who has one."""
        return self._holds.lost(sandbox.name)

    def destroy(self, sandbox: Sandbox) -> None:
        """Let the hosts go, and forget the run; harmless when repeated. Only the sandbox's name is looked at.

        Raises:
            BenchError: ``database_lost``.
        """
        self._let_go(sandbox.name)
        with self._reported():
            Leases(self.store).release_sandbox(sandbox.name)  # another process may have taken them
            for host in self.hosts():
                if _is_kept_as(host, sandbox.name):
                    self.store.quarantine_host(host.host_id, None)

    def _let_go(self, name: str) -> None:
        self._holds.release(name)
        shutil.rmtree(self._directory(name), ignore_errors=True)
        self.ledger.remove(name)

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except BenchError as exc:
            raise BenchError(
                Cause.RESTORE_FAILED,
                f"the database did not hear that hosts are free again: {exc.message}",
                remedy="Their leases run out by themselves.",
            ) from exc

    def quarantine(self, sandbox: Sandbox, reason: str) -> str:
        """Refuse the hosts of *sandbox* to later runs; return what to do about it."""
        names = " ".join(host.host_name for host in sandbox.hosts)
        when = time.strftime("%Y-%m-%d %H:%M")
        try:
            for host in sandbox.hosts:
                self.store.quarantine_host(host.host_id, f"{' '.join(reason.split())[:500]} ({when})")
        except BenchError as exc:
            return f"They could not be put into quarantine: {exc.message}"
        return f"In quarantine until `2501bench hosts check {names}` finds all well."

    def free(self, host: RegisteredHost) -> None:
        """End the quarantine of *host*; if it was kept, the sandbox that it was kept as is gone with it."""
        self.store.quarantine_host(host.host_id, None)
        for owned in self.list_owned():
            if _is_kept_as(host, owned.name):
                self.destroy(Sandbox(owned.name, ()))

    def keep(self, sandbox: Sandbox) -> None:
        """Leave the hosts as they are, in quarantine, until the sandbox is removed or they have been checked."""
        self.ledger.keep(sandbox.name)
        for host in sandbox.hosts:
            known = self.store.host(host.host_id)
            why = f": {known.quarantine}" if known is not None and known.quarantine else ""
            self.store.quarantine_host(host.host_id, f"{_kept_as(sandbox.name)}{why}")
        self._holds.release(sandbox.name)

    # ---- the ledger -----------------------------------------------------------------------------------------------

    def _directory(self, name: str) -> Path:
        return self._state / "sandboxes" / name

    def _release_command(self, name: str) -> str:
        where = ["--bench-dir", str(self._bench_dir.absolute())] if self._bench_dir is not None else []
        return shlex.join([sys.executable, "-m", "pytest_2501bench.cli.main", "hosts", "release", name, *where])

    def find(self, name: str) -> Sandbox | None:
        """Return a sandbox that any session of this user made, by its name."""
        try:
            row = json.loads((self._directory(name) / "sandbox.json").read_text(encoding="utf-8"))
        except OSError:
            return None
        paths = ("identity_file", "known_hosts")
        hosts = tuple(
            Host(**{**host, "ssh": SshSettings(**{**host["ssh"], **{key: Path(host["ssh"][key]) for key in paths}})})
            for host in row["hosts"]
        )
        return Sandbox(**{**row, "hosts": hosts, "directory": Path(row["directory"])})

    def list_owned(self) -> list[Owned]:
        """List the runs of this user on this machine that have hosts, oldest first."""
        return [
            Owned(lease.name, lease.owner_alive(), lease.owner.pid, lease.created_at, self._release_command(lease.name))
            for lease in self.ledger.leases(self.mode)
        ]

    def reap(self) -> list[str]:
        """Let go what dead sessions had; return the names. Hosts stay as they are."""
        removed = []
        with self.ledger.reaping() as mine:
            for lease in self.ledger.leases(self.mode) if mine else ():
                # A row without a mode was cut short by a power cut: it is ours if its folder is.
                if lease.owner_alive() or not (lease.mode or self._directory(lease.name).exists()):
                    continue
                with contextlib.suppress(BenchError):
                    self.destroy(Sandbox(lease.name, ()))
                removed.append(lease.name)
        return removed

    def images(self) -> list[Image]:
        """Return nothing: there are none."""
        return []

    def remove_image(self, name: str) -> None:
        """Do nothing."""


def _kept_as(name: str) -> str:
    return f"kept on purpose as {name}"


def _is_kept_as(host: RegisteredHost, name: str) -> bool:
    return (host.quarantine or "").startswith(_kept_as(name))


def _refuse_quarantined(hosts: Sequence[RegisteredHost]) -> None:
    for host in hosts:
        if host.quarantine is not None:
            raise BenchError(
                Cause.HOST_QUARANTINED,
                f"host {host.host_name} ({host.host_id}) is in quarantine: {host.quarantine}.",
                remedy=f"`2501bench hosts check {host.host_name}` frees it when all is well.",
            )


def _until_it_answers(host: RegisteredHost, ssh: SshSettings) -> Seen:
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        seen = look(host, ssh)
        if not seen.passing or time.monotonic() > deadline:
            return seen
        time.sleep(1)
