"""``SandboxProvider`` for a pool: a sandbox is the right to use some of the machines until it is destroyed."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pool_mode.machines import Machine, read_machines
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.ids import new_id
from pytest_2501bench.sandbox.ledger import Ledger
from pytest_2501bench.sandbox.protocol import (
    KNOWN_CAPABILITIES,
    Capabilities,
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


def from_environment() -> PoolProvider:
    """Make the provider of ``POOL_MACHINES``, a TOML file; its state is in ``POOL_STATE``, default beside it."""
    path = Path(os.environ.get("POOL_MACHINES") or "machines.toml").absolute()
    state = os.environ.get("POOL_STATE")
    return PoolProvider(path, Path(state) if state else path.with_suffix(".state"))


class PoolProvider:
    """Who has which machine stands in files, because every worker of every session has a provider of its own.

    ``state/ledger`` says who owns which sandbox and whether the owner lives. ``state/sandboxes/NAME`` holds a sandbox:
    ``machines.json`` (which machines it has) and ``known_hosts``. ``state/quarantine/ID`` takes a machine out of use.
    """

    mode = "pool"

    def __init__(self, path: Path, state: Path) -> None:
        """Name the places; touches nothing, because preflight must create nothing."""
        self.path, self.state = path, state
        self.ledger = Ledger(state / "ledger")

    # ---- before a run ---------------------------------------------------------------------------------------------

    def preflight(self) -> list[Obstacle]:
        if not self.path.is_file():
            return [Obstacle(f"{self.path} does not exist", "Set POOL_MACHINES to a list of machines.")]
        if not read_machines(self.path):
            return [Obstacle(f"{self.path} lists no machine", "Add a [[machine]].")]
        return []

    def capabilities(self, template: str) -> Capabilities:
        alike = [machine for machine in read_machines(self.path) if machine.template == template]
        if not alike:
            return Capabilities(frozenset(), dict.fromkeys(KNOWN_CAPABILITIES, f"no machine is like {template}"), False)
        missing = dict.fromkeys(KNOWN_CAPABILITIES, "the machines of a pool are used as they are")
        if all(machine.systemd for machine in alike):
            del missing["systemd"]
        # fresh=False: runs get used machines, so restore.yml is played, and scenarios name a host_id.
        return Capabilities(KNOWN_CAPABILITIES - missing.keys(), missing, fresh=False)

    def prepare_images(self, specs: Sequence[HostSpec], progress: Progress = silent) -> None:
        packages = sorted({package for spec in specs for package in spec.packages})
        if packages:
            progress(f"the machines must have: {', '.join(packages)}")

    # ---- a sandbox ------------------------------------------------------------------------------------------------

    def create(self, specs: Sequence[HostSpec], progress: Progress = silent) -> Sandbox:
        name = new_id("sbx")
        self.ledger.add(self.mode, name, session="")  # first of all: a killed process must leave no unknown sandbox
        try:
            with self._alone():
                chosen = self._choose(specs)
                folder = self._folder(name)
                folder.mkdir(parents=True, mode=0o700)
                rows = [[machine.id, spec.host_name] for machine, spec in zip(chosen, specs, strict=True)]
                (folder / "machines.json").write_text(json.dumps(rows), encoding="utf-8")
            sandbox = self._sandbox(name, chosen, [spec.host_name for spec in specs])
            for host in sandbox.hosts:
                _wait_for_ssh(host)
        except BaseException:
            self._let_go(name)
            raise
        return sandbox

    def reset(self, sandbox: Sandbox) -> Sandbox:
        for host in sandbox.hosts:  # nothing here can put a machine back: that is what restore.yml is for
            _wait_for_ssh(host)
        return sandbox

    def alive(self, sandbox: Sandbox) -> str | None:
        return None if self._folder(sandbox.name).is_dir() else f"{sandbox.name} was let go"

    def destroy(self, sandbox: Sandbox) -> None:
        self._let_go(sandbox.name)

    def quarantine(self, sandbox: Sandbox, reason: str) -> str:
        names = [machine_id for machine_id, _ in self._rows(sandbox.name)]
        folder = self.state / "quarantine"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_text(f"{reason}\n", encoding="utf-8")
        return f"{', '.join(names)} out of use; put it right, then `rm {folder}/{names[0]}`"

    # ---- what other sessions need ---------------------------------------------------------------------------------

    def find(self, name: str) -> Sandbox | None:
        rows = self._rows(name)
        by_id = {machine.id: machine for machine in read_machines(self.path)}
        if not rows or any(machine_id not in by_id for machine_id, _ in rows):
            return None
        return self._sandbox(name, [by_id[row[0]] for row in rows], [row[1] for row in rows])

    def keep(self, sandbox: Sandbox) -> None:
        self.ledger.keep(sandbox.name)

    def list_owned(self) -> list[Owned]:
        return [
            Owned(lease.name, lease.owner_alive(), lease.owner.pid, lease.created_at, self._remove_command(lease.name))
            for lease in self.ledger.leases(self.mode)
        ]

    def reap(self) -> list[str]:
        dead = [lease.name for lease in self.ledger.leases(self.mode) if not lease.owner_alive()]
        for name in dead:
            self._let_go(name)
        return dead

    def images(self) -> list[Image]:
        return []

    def remove_image(self, name: str) -> None:
        """Nothing was built."""

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _folder(self, name: str) -> Path:
        return self.state / "sandboxes" / name

    def _rows(self, name: str) -> list[list[str]]:
        try:
            rows: list[list[str]] = json.loads((self._folder(name) / "machines.json").read_text(encoding="utf-8"))
        except OSError:
            return []
        return rows

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _choose(self, specs: Sequence[HostSpec]) -> list[Machine]:
        taken = {row[0] for folder in self.state.glob("sandboxes/*") for row in self._rows(folder.name)}
        taken |= {path.name for path in self.state.glob("quarantine/*")}
        free = [machine for machine in read_machines(self.path) if machine.id not in taken]
        chosen = []
        for spec in specs:
            wanted = spec.host_id or f"a machine like {spec.template}"
            fits = [m for m in free if (m.id == spec.host_id if spec.host_id else m.template == spec.template)]
            if not fits:
                raise BenchError(Cause.SANDBOX_NOT_CREATED, f"host {spec.host_name}: {wanted} is not free")
            chosen.append(fits[0])
            free.remove(fits[0])
        return chosen

    def _sandbox(self, name: str, machines: Sequence[Machine], host_names: Sequence[str]) -> Sandbox:
        folder = self._folder(name)
        # The name in known_hosts is ours and says nothing of the scenario.
        aliases = [f"{name.replace('_', '-')}-{index}" for index, _ in enumerate(machines)]
        known_hosts = folder / "known_hosts"
        if not known_hosts.exists():
            lines = (f"{alias} {machine.host_key}\n" for alias, machine in zip(aliases, machines, strict=True))
            known_hosts.write_text("".join(lines), encoding="utf-8")
        hosts = [
            Host(
                host_id=machine.id,
                host_name=host_name,
                ssh=SshSettings(
                    user=machine.user,
                    identity_file=machine.key,
                    known_hosts=known_hosts,
                    hostname=alias,
                    address=machine.address,
                    port=machine.port,
                    proxy_command=machine.proxy_command,
                ),
                address=machine.address,
                template=machine.template,
                systemd=machine.systemd,
            )
            for machine, host_name, alias in zip(machines, host_names, aliases, strict=True)
        ]
        enter = shlex.join(_ssh(hosts[0]))
        return Sandbox(name, tuple(hosts), folder, enter=enter, remove=self._remove_command(name))

    def _let_go(self, name: str) -> None:
        shutil.rmtree(self._folder(name), ignore_errors=True)
        self.ledger.remove(name)  # last: while something is left, somebody knows of it

    def _remove_command(self, name: str) -> str:
        return shlex.join([sys.executable, "-m", "pool_mode", str(self.path), str(self.state), name])


def _ssh(host: Host, *command: str) -> list[str]:
    options = [word for name, value in host.ssh.options().items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "/dev/null", *options, host.ssh.hostname, *command]


def _wait_for_ssh(host: Host) -> None:
    argv = _ssh(host, "true")
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(Cause.SSH_NOT_UP, f"{host.host_id} does not answer in 60 s") from None
    if done.returncode != 0:
        raise BenchError(Cause.SSH_NOT_UP, f"{host.host_id}: {' '.join(done.stderr.split())}")
