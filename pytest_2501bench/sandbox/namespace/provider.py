"""``--mode namespace``: hosts made of Linux namespaces and overlays, ready in under a second, with or without root."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.ids import new_id
from pytest_2501bench.sandbox.ledger import Ledger
from pytest_2501bench.sandbox.namespace import access, launch, machine, preflight
from pytest_2501bench.sandbox.namespace.images import Images, delete
from pytest_2501bench.sandbox.protocol import (
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
from pytest_2501bench.sandbox.templates import TEMPLATES, Template, load_templates, unknown_template

if TYPE_CHECKING:
    from pytest_2501bench.options import Settings

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
# Every sandbox has a network of its own, so all use the same addresses.
_NETWORK = "10.78.0"
_MOST_HOSTS = 200


def default_cache_dir() -> Path:
    """Return where root filesystems and sandboxes are kept: ``BENCH_CACHE_DIR``, else below the user's cache folder."""
    configured = os.environ.get("BENCH_CACHE_DIR")
    if configured:
        return Path(configured).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "pytest-2501bench"


class NamespaceProvider:
    """Implements :class:`pytest_2501bench.sandbox.protocol.SandboxProvider`.

    A sandbox is one tree of processes: a hub in outer namespaces (network with a bridge, mounts, pids), below it one
    pid namespace per host. Nothing is mounted or configured in the machine's own namespaces, so what is left after the
    hub is killed is a directory and, with systemd, a cgroup.
    """

    mode = "namespace"

    def __init__(
        self,
        cache_dir: Path | None = None,
        state_dir: Path | None = None,
        mirror: str | None = None,
        templates: Mapping[str, Template] = TEMPLATES,
    ) -> None:
        """Name the places; touches nothing.

        Args:
            cache_dir: for images; default :func:`default_cache_dir`.
            state_dir: for running sandboxes and their ledger; default *cache_dir*.
            mirror: a Debian mirror's URL; default the machine's own Debian sources, else mmdebstrap's default.
            templates: what hosts can be made from, by name; default the shipped ones.
        """
        self.templates = templates
        self.cache_dir = (cache_dir or default_cache_dir()).absolute()
        self._state = (state_dir or self.cache_dir).absolute() / "namespace"
        self.cache = Images(self.cache_dir / "namespace", mirror)
        self.ledger = Ledger(self._state / "ledger")
        self._session = secrets.token_hex(4)
        self._facts: machine.Machine | None = None

    @classmethod
    def of(cls, settings: Settings) -> NamespaceProvider:
        """Make the one that a session's settings ask for.

        Raises:
            BenchError: ``option_invalid``; ``--vm-templates-path`` holds no valid templates.
        """
        return cls(mirror=settings.mirror, templates=load_templates(settings.vm_templates_path))

    def _machine(self) -> machine.Machine:
        if self._facts is None:
            base = self.templates.get("debian-base")
            built = base is not None and self.cache.has_rootfs(base)
            self._facts = machine.gather(self.cache_dir, rootfs_built=built)
        return self._facts

    def preflight(self) -> list[Obstacle]:
        """Return everything that stands in the way on this machine, looked at afresh; empty when the mode works."""
        self._facts = None
        return preflight.obstacles(self._machine())

    def capabilities(self, template: str) -> Capabilities:
        """Say truthfully what hosts made from *template* can do here."""
        return preflight.capabilities(self._machine(), template, self.templates)

    def _template(self, spec: HostSpec) -> Template:
        found = self.templates.get(spec.template)
        if found is None:
            what = unknown_template(spec.template, self.templates)
            raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"host {spec.host_name}: {what}")
        for package in spec.packages:
            if not _PACKAGE.fullmatch(package):
                raise BenchError(
                    Cause.SCENARIO_INVALID, f"host {spec.host_name}: {package!r} is not a Debian package name"
                )
        return found

    def prepare_images(self, specs: Sequence[HostSpec], progress: Progress = silent) -> None:
        """Build the root filesystem and the package layers that *specs* need and the cache lacks."""
        wanted = [(self._template(spec), spec.packages) for spec in specs]
        if all(self.cache.complete(template, packages) for template, packages in wanted):
            return
        obstacles = self.preflight()
        if obstacles:
            raise BenchError(Cause.SANDBOX_UNAVAILABLE, obstacles[0].what, remedy=obstacles[0].remedy)
        for spec, (template, packages) in zip(specs, wanted, strict=True):
            lack = self.capabilities(template.name).lack(template.requires)
            if lack is not None:
                raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"host {spec.host_name}: {lack}")

            def provision(template: Template, lower: tuple[Path, ...], target: Path) -> None:
                self._provision(template, lower, target, progress)

            self.cache.prepare(template, packages, progress, provision)

    def _provision(self, template: Template, lower: tuple[Path, ...], target: Path, progress: Progress) -> None:
        """Play the playbooks of *template* on a host of its own; what they changed becomes the folder *target*."""
        from pytest_2501bench.sandbox.provisioning import provision

        log = self.cache.directory / f"provision-{template.name}.log"
        log.unlink(missing_ok=True)
        sandbox = self._bring_up(
            [HostSpec("template", template.name)],
            [launch.HostPlan(index=1, host_name="template", address=f"{_NETWORK}.11", lower=lower)],
        )
        try:
            provision(sandbox.hosts[0], template, progress, log=log)
            launch.power_off(self._directory(sandbox.name), sandbox.hosts[0])
            launch.take_upper(self._directory(sandbox.name) / "1", target)
        finally:
            self.destroy(sandbox)
        log.unlink()

    def _directory(self, name: str) -> Path:
        return self._state / "sandboxes" / name

    def _plan(self, specs: Sequence[HostSpec]) -> list[launch.HostPlan]:
        names = [spec.host_name for spec in specs]
        for name in names:
            if not _HOST_NAME.fullmatch(name):
                raise BenchError(Cause.SCENARIO_INVALID, f"{name!r} cannot be a host name: letters, digits and - only")
            if names.count(name) > 1:
                raise BenchError(Cause.SCENARIO_INVALID, f"two hosts are called {name!r}")
        if not 1 <= len(names) <= _MOST_HOSTS:
            raise BenchError(Cause.SCENARIO_INVALID, f"{len(names)} hosts asked for; 1 to {_MOST_HOSTS} are possible")
        return [
            launch.HostPlan(
                index=index,
                host_name=spec.host_name,
                address=f"{_NETWORK}.{index + 10}",
                lower=self.cache.lower(self._template(spec), spec.packages),
            )
            for index, spec in enumerate(specs, start=1)
        ]

    def create(self, specs: Sequence[HostSpec], progress: Progress = silent) -> Sandbox:
        """Make the hosts and return when each answers SSH and its boot is over; on failure all is removed.

        Raises:
            BenchError: ``sandbox_not_created`` or ``ssh_not_up``; ``sandbox_unavailable`` if images cannot be built.
        """
        self.prepare_images(specs, progress)
        return self._bring_up(specs, self._plan(specs))

    def _bring_up(self, specs: Sequence[HostSpec], plans: Sequence[launch.HostPlan]) -> Sandbox:
        name = new_id("sbx")
        # The row first: from here on a killed owner leaves nothing that the next reaper does not know.
        self.ledger.add(self.mode, name, self._session)
        try:
            sandbox = self._make(name, specs, plans)
            self._start(sandbox, plans)
        except BaseException as error:
            left = self._remove(name)
            if left:
                raise self._left_behind(name, left) from error
            if isinstance(error, OSError):
                raise BenchError(Cause.SANDBOX_NOT_CREATED, f"sandbox {name}: {error}") from error
            raise
        return sandbox

    def _make(self, name: str, specs: Sequence[HostSpec], plans: Sequence[launch.HostPlan]) -> Sandbox:
        directory = self._directory(name)
        directory.mkdir(parents=True, mode=0o700)
        systemd = bool(self._machine().cgroup_mode)
        public_key = access.make_login_key(directory)
        hosts = []
        for plan, spec in zip(plans, specs, strict=True):
            alias = f"{name.replace('_', '-')}-{plan.index}"
            ssh = access.make_host_access(directory, plan.index, alias, public_key)
            hosts.append(
                Host(
                    host_id=spec.host_id or new_id("hst"),
                    host_name=plan.host_name,
                    ssh=ssh,
                    address=plan.address,
                    template=spec.template,
                    systemd=systemd,
                )
            )
        config = directory / "ssh_config"
        access.write_ssh_config(config, {host.host_name: host.ssh for host in hosts})
        sandbox = Sandbox(
            name=name,
            hosts=tuple(hosts),
            directory=directory,
            enter=shlex.join(["ssh", "-F", str(config), hosts[0].host_name]),
            remove=self._remove_command(name),
        )
        (directory / "sandbox.json").write_text(json.dumps(asdict(sandbox), default=str), encoding="utf-8")
        launch.write_hosts(directory, plans)
        return sandbox

    def _start(self, sandbox: Sandbox, plans: Sequence[launch.HostPlan]) -> None:
        facts = self._machine()
        directory = self._directory(sandbox.name)
        base = facts.cgroup_mount
        if facts.cgroup_mode == "own" and base is not None:
            base = machine.own_cgroup(base)
        launch.start(directory, cgroup_mode=facts.cgroup_mode, cgroup_base=base)
        launch.wait_booted(directory, plans)
        launch.wait_ssh(sandbox.hosts)

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

    def quarantine(self, sandbox: Sandbox, reason: str) -> str:
        """Do nothing: every run gets a fresh machine."""
        return ""

    def keep(self, sandbox: Sandbox) -> None:
        """Let *sandbox* outlive this session; only :meth:`destroy` removes it then."""
        self.ledger.keep(sandbox.name)

    def reset(self, sandbox: Sandbox) -> Sandbox:
        """Give every host a new writable layer and boot it; keys and SSH settings stay.

        Raises:
            BenchError: ``restore_failed`` if the old state cannot be removed, else as :meth:`create`.
        """
        directory = self._directory(sandbox.name)
        if not directory.exists():
            raise BenchError(Cause.SANDBOX_VANISHED, f"sandbox {sandbox.name} is gone")
        plans = launch.read_plans(directory)
        left = launch.remove(directory, scope="hosts")
        if left:
            raise self._left_behind(sandbox.name, left)
        launch.write_hosts(directory, plans)
        self._start(sandbox, plans)
        return sandbox

    def alive(self, sandbox: Sandbox) -> str | None:
        """Return None while pid 1 of every host lives, else which one does not."""
        directory = self._directory(sandbox.name)
        for index, host in enumerate(sandbox.hosts, start=1):
            if not directory.exists():
                return f"host {host.host_name}: its sandbox {sandbox.name} is gone"
            if not launch.runs(directory / str(index)):
                return f"host {host.host_name} does not run any more: its pid 1 has ended"
        return None

    def _remove_command(self, name: str) -> str:
        places = ["--cache-dir", str(self.cache_dir), "--state-dir", str(self._state.parent)]
        return shlex.join([sys.executable, "-m", "pytest_2501bench.sandbox.namespace", *places, "destroy", name])

    def _left_behind(self, name: str, left: str) -> BenchError:
        return BenchError(
            Cause.RESTORE_FAILED,
            f"sandbox {name} was not removed: {left}.",
            remedy=f"Remove it with `{self._remove_command(name)}`.",
        )

    def _remove(self, name: str) -> str:
        directory = self._directory(name)
        left = launch.remove(directory)
        if not left:
            self.ledger.remove(name)
        return left

    def destroy(self, sandbox: Sandbox) -> None:
        """Remove everything of *sandbox*, whoever made it; harmless when repeated. Only its name is looked at.

        Raises:
            BenchError: ``restore_failed``, naming what is left and the command that removes it.
        """
        left = self._remove(sandbox.name)
        if left:
            raise self._left_behind(sandbox.name, left)

    def list_owned(self) -> list[Owned]:
        """List the ledger's sandboxes of this mode, oldest first."""
        return [
            Owned(lease.name, lease.owner_alive(), lease.owner.pid, lease.created_at, self._remove_command(lease.name))
            for lease in self.ledger.leases(self.mode)
        ]

    def reap(self) -> list[str]:
        """Remove the sandboxes of dead owners; return their names. What cannot be removed stays in the ledger."""
        removed = []
        with self.ledger.reaping() as mine:
            for lease in self.ledger.leases(self.mode) if mine else ():
                if not lease.owner_alive() and not self._remove(lease.name):
                    removed.append(lease.name)
        return removed

    def images(self) -> list[Image]:
        """List the root filesystems and layers on disk."""
        return self.cache.built(self.templates)

    def remove_image(self, name: str) -> None:
        """Remove a root filesystem with the layers on top of it, or one layer; harmless when repeated.

        Raises:
            BenchError: ``restore_failed``; a sandbox or another template needs it.
        """
        folder = self.cache.folder(name)
        for link in self._state.glob("sandboxes/*/*/lower*"):
            if folder is not None and link.readlink().is_relative_to(folder):
                sandbox = link.parent.parent.name
                raise BenchError(
                    Cause.RESTORE_FAILED,
                    f"{name} is not removed: sandbox {sandbox} needs it.",
                    remedy=f"Remove that first: `{self._remove_command(sandbox)}`.",
                )
        self.cache.remove_one(name)

    def remove_everything(self, *, living: bool = False) -> None:
        """Remove sandboxes (those of running sessions only if *living*), root filesystems and layers.

        Raises:
            BenchError: ``restore_failed`` if a sandbox still runs or cannot be removed; images are left then.
        """
        self.reap()
        for owned in self.list_owned():
            if owned.owner_alive and not living:
                raise BenchError(
                    Cause.RESTORE_FAILED,
                    f"sandbox {owned.name} is in use by process {owned.owner_pid}.",
                    remedy=f"Remove it with `{owned.remove}`.",
                )
            self.destroy(Sandbox(owned.name, ()))
        self.cache.remove()
        delete(self._state)
