"""What is on this machine's disk of one sandbox: where it is, the keys, and what the server is asked for."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from pytest_2501bench.ids import new_id
from pytest_2501bench.sandbox.incus import access, instances
from pytest_2501bench.sandbox.incus.instances import Plan
from pytest_2501bench.sandbox.incus.remotes import Place
from pytest_2501bench.sandbox.namespace.access import make_login_key, write_ssh_config
from pytest_2501bench.sandbox.namespace.cache import delete
from pytest_2501bench.sandbox.protocol import Host, HostSpec, Sandbox
from pytest_2501bench.sandbox.templates import Template

_SANDBOX = TypeAdapter(Sandbox)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One host that is asked for, and the instance whose snapshot it becomes a clone of."""

    spec: HostSpec
    template: Template
    source: str


def bridge_name(sandbox: str) -> str:
    """Return what the bridge of a sandbox is called: 15 characters, the most that a network card's name may have."""
    return sandbox.replace("-", "")


@dataclass(frozen=True, slots=True)
class SandboxFolder:
    """The folder of the sandbox *name*. Only its owner may look into it."""

    path: Path

    @property
    def name(self) -> str:
        """The sandbox's name."""
        return self.path.name

    def lay_out(
        self, wanted: Sequence[Wanted], *, place: Place, pool: str, marks: dict[str, str], vm: bool, remove: str
    ) -> tuple[Sandbox, list[Plan]]:
        """Write everything that is known before anything is made; return the sandbox, and what to ask for."""
        self.path.mkdir(parents=True, mode=0o700)
        # First of all: who removes the sandbox must know on which server it is.
        (self.path / "place").write_text(str(place), encoding="utf-8")
        login_key = make_login_key(self.path)
        addresses = {
            want.spec.host_name: f"{instances.NETWORK}.{number + 10}" for number, want in enumerate(wanted, start=1)
        }
        plans, hosts = [], []
        for number, want in enumerate(wanted, start=1):
            instance, spec = f"{self.name}-{number}", want.spec
            host_key = access.make_key(self.path / f"host_key-{number}")
            with (self.path / "known_hosts").open("a", encoding="ascii") as file:
                file.write(f"{instance} {host_key[1]}\n")
            config = instances.identity(
                spec.host_name,
                addresses,
                host_key=host_key,
                login_key=login_key,
                machine_id=access.machine_id(),
                vm=vm,
            )
            config |= instances.limits(want.template) | marks
            plans.append(
                Plan(instance, want.source, pool, bridge_name(self.name), addresses[spec.host_name], vm, config)
            )
            hosts.append(
                Host(
                    host_id=spec.host_id or new_id("hst"),
                    host_name=spec.host_name,
                    ssh=access.ssh_settings(self.path, place, instance, instance),
                    address=addresses[spec.host_name],
                    template=spec.template,
                )
            )
        return self._write(tuple(hosts), plans, remove), plans

    def _write(self, hosts: tuple[Host, ...], plans: list[Plan], remove: str) -> Sandbox:
        config = self.path / "ssh_config"
        write_ssh_config(config, {host.host_name: host.ssh for host in hosts})
        enter = shlex.join(["ssh", "-F", str(config), hosts[0].host_name])
        sandbox = Sandbox(name=self.name, hosts=hosts, directory=self.path, enter=enter, remove=remove)
        (self.path / "sandbox.json").write_bytes(_SANDBOX.dump_json(sandbox))
        (self.path / "plans.json").write_text(instances.dump(plans), encoding="utf-8")
        return sandbox

    def place(self) -> str | None:
        """Return the server's name as ``--incus-remote`` takes it; None if nothing was made yet."""
        try:
            return (self.path / "place").read_text(encoding="utf-8")
        except OSError:
            return None

    def sandbox(self) -> Sandbox | None:
        """Return the sandbox; None if it is gone, or was never finished."""
        try:
            return _SANDBOX.validate_json((self.path / "sandbox.json").read_bytes())
        except (OSError, ValueError):
            return None

    def plans(self) -> list[Plan] | None:
        """Return what the server was asked for; None if the sandbox is gone."""
        try:
            return instances.parse((self.path / "plans.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Remove it with all keys."""
        delete(self.path)
