"""``--mode lima``: each host a virtual machine of its own, cloned from a stopped template by limactl."""

from __future__ import annotations

import json
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.ids import new_id
from pytest_2501bench.sandbox.lima import guest, recipe
from pytest_2501bench.sandbox.lima.build import START_SECONDS, Builder
from pytest_2501bench.sandbox.lima.holdings import MODE, Holdings
from pytest_2501bench.sandbox.lima.images import Images
from pytest_2501bench.sandbox.lima.limactl import Limactl, LimactlError, lima_home
from pytest_2501bench.sandbox.lima.plan import Plan, find_template, make_plans
from pytest_2501bench.sandbox.lima.preflight import capabilities, obstacles
from pytest_2501bench.sandbox.namespace import default_cache_dir
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
from pytest_2501bench.sandbox.templates import Template, load_templates, unknown_template

if TYPE_CHECKING:
    from pytest_2501bench.options import Settings

NETWORK = "user-v2"
"""Lima's network between instances that needs neither root nor anything installed; hosts of one sandbox use it."""


class LimaProvider:
    """Implements :class:`pytest_2501bench.sandbox.protocol.SandboxProvider`.

    What is ours in Lima is known by name and only asked for by name; instances of the user's own are never touched.
    """

    mode = MODE

    def __init__(
        self,
        cache_dir: Path | None = None,
        templates: Mapping[str, Template] | None = None,
        mirror: str | None = None,
        program: str | None = None,
    ) -> None:
        """Name the places; touches nothing.

        Args:
            cache_dir: for our notes and keys; default as for ``--mode namespace``. The instances are in ``LIMA_HOME``.
            templates: by name; default the shipped ones.
            mirror: a Debian mirror's URL; default what Debian's image names.
            program: limactl; default the one that ``PATH`` finds.
        """
        self._templates = load_templates() if templates is None else templates
        # Another LIMA_HOME is another world of instances.
        home = sha256(str(lima_home()).encode()).hexdigest()[:8]
        state = (cache_dir or default_cache_dir()).absolute() / "lima" / home
        self.limactl = Limactl(program)
        self.holdings = Holdings(self.limactl, state, secrets.token_hex(4))
        self.cache = Images(self.holdings, mirror)

    @classmethod
    def of(cls, settings: Settings) -> LimaProvider:
        """Return the provider for a session."""
        return cls(templates=load_templates(settings.vm_templates_path), mirror=settings.mirror)

    def preflight(self) -> list[Obstacle]:
        """Return everything that stands in the way on this machine; empty when the mode works."""
        return obstacles(self.limactl)

    def capabilities(self, template: str) -> Capabilities:
        """Say what hosts made from *template* can do: they are real machines, so nearly everything."""
        return capabilities(self._templates, template)

    def prepare_images(self, specs: Sequence[HostSpec], progress: Progress = silent) -> None:
        """Build the templates that *specs* need and that are not there, one builder at a time."""
        wanted = {(spec.template, spec.packages): find_template(spec, self._templates) for spec in specs}
        try:
            todo = [(key, one) for key, one in wanted.items() if not self.cache.complete(one, key[1])]
        except LimactlError:
            todo = list(wanted.items())
        if not todo:
            return
        found = self.preflight()
        if found:
            raise BenchError(Cause.SANDBOX_UNAVAILABLE, found[0].what, remedy=found[0].remedy)
        for (_, packages), template in todo:
            Builder(self.cache).build(template, packages, progress)

    def create(self, specs: Sequence[HostSpec], progress: Progress = silent) -> Sandbox:
        """Clone and start the hosts, and return when each answers SSH with its own key; on failure all is removed.

        Raises:
            BenchError: ``sandbox_not_created`` or ``ssh_not_up``; ``sandbox_unavailable`` if templates cannot be built.
        """
        name = new_id("sbx")
        images = [self.cache.name(find_template(spec, self._templates), spec.packages) for spec in specs]
        plans = make_plans(name, specs, images)
        self.prepare_images(specs, progress)
        try:
            directory = self.holdings.begin(name, [plan.instance for plan in plans])
            guest.make_login_key(directory)
            for plan in plans:
                guest.make_keys(directory, plan.instance)
            rows = [asdict(plan) for plan in plans]
            (directory / "plan.json").write_text(json.dumps(rows), encoding="utf-8")
            return self._start(name, plans)
        except BaseException as error:
            self._give_up(name, error)
            raise

    def _give_up(self, name: str, error: BaseException) -> None:
        left = self.holdings.remove(name)
        if left:
            raise self._left_behind(name, left) from error
        if isinstance(error, LimactlError | OSError):
            raise BenchError(Cause.SANDBOX_NOT_CREATED, f"sandbox {name}: {error}") from error

    def _start(self, name: str, plans: Sequence[Plan]) -> Sandbox:
        """Make the instances of *plans*, which are not there, and wait for them."""
        pool = ThreadPoolExecutor(len(plans))
        try:
            hosts = tuple(pool.map(lambda plan: self._start_one(name, plan, shared=len(plans) > 1), plans))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if len(hosts) > 1:
            others = {host.host_name: host.address for host in hosts if host.address}
            if len(others) < len(hosts):
                raise BenchError(Cause.SANDBOX_NOT_CREATED, f"sandbox {name}: not every host has an address")
            for host in hosts:
                guest.ask(host.ssh, recipe.hosts_script({k: v or "" for k, v in others.items() if k != host.host_name}))
        return self._sandbox(name, hosts)

    def _start_one(self, name: str, plan: Plan, *, shared: bool) -> Host:
        directory, calls = self.holdings.directory(name), self.holdings.calls(name)
        log = directory / f"limactl-{plan.index}.log"
        keys = guest.read_keys(directory, plan.instance)
        script = recipe.access_script(keys.host_key, keys.public_key, plan.host_name)
        template = self._templates.get(plan.template)
        if template is None:
            raise LimactlError(f"host {plan.host_name}: {unknown_template(plan.template, self._templates)}")
        self.cache.derive(template, plan.image, plan.instance, directory=directory, calls=calls, log=log)
        self.cache.open(plan.instance, script, NETWORK if shared else None)
        self.limactl.change("start", plan.instance, log=log, calls=calls, seconds=START_SECONDS)
        ssh = guest.ssh_settings(self.cache.instance(plan.instance), keys)
        guest.wait_up(plan.host_name, ssh)
        return self._host(plan, ssh, guest.address_of(ssh))

    @staticmethod
    def _host(plan: Plan, ssh: SshSettings, address: str | None) -> Host:
        return Host(plan.host_id, plan.host_name, ssh, address=address, template=plan.template)

    def _sandbox(self, name: str, hosts: tuple[Host, ...]) -> Sandbox:
        directory = self.holdings.directory(name)
        enter = guest.write_ssh_config(directory / "ssh_config", {host.host_name: host.ssh for host in hosts})
        (directory / "addresses.json").write_text(json.dumps([host.address for host in hosts]), encoding="utf-8")
        return Sandbox(name, hosts, directory, enter=enter, remove=self._remove_command(name))

    def _plans(self, name: str) -> list[Plan]:
        try:
            rows = json.loads((self.holdings.directory(name) / "plan.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [Plan(**row) for row in rows]

    def find(self, name: str) -> Sandbox | None:
        """Return a sandbox that any session of this user made, by its name; None also if it is not up."""
        plans = self._plans(name)
        try:
            addresses = json.loads((self.holdings.directory(name) / "addresses.json").read_text(encoding="utf-8"))
            instances = self.limactl.inspect([plan.instance for plan in plans]) if plans else {}
        except (OSError, ValueError, LimactlError):
            return None
        if not plans or any(plan.instance not in instances for plan in plans):
            return None
        hosts = []
        for plan, address in zip(plans, addresses, strict=True):
            keys = guest.read_keys(self.holdings.directory(name), plan.instance)
            try:
                hosts.append(self._host(plan, guest.ssh_settings(instances[plan.instance], keys), address))
            except BenchError:
                return None
        return self._sandbox(name, tuple(hosts))

    def reset(self, sandbox: Sandbox) -> Sandbox:
        """Delete every instance and clone it again, with the same keys; the port to reach it by is another one.

        Lima's own snapshots work with one of its drivers only.

        Raises:
            BenchError: ``restore_failed`` if the old state cannot be removed, else as :meth:`create`.
        """
        plans = self._plans(sandbox.name)
        if not plans:
            raise BenchError(Cause.SANDBOX_VANISHED, f"sandbox {sandbox.name} is gone")
        left = self.holdings.clear(sandbox.name)
        if left:
            raise self._left_behind(sandbox.name, left)
        try:
            return self._start(sandbox.name, plans)
        except (LimactlError, OSError) as error:
            raise BenchError(Cause.SANDBOX_NOT_CREATED, f"sandbox {sandbox.name}: {error}") from error

    def alive(self, sandbox: Sandbox) -> str | None:
        """Return None while limactl says that all instances run, else which one does not."""
        plans = self._plans(sandbox.name)
        if not plans:
            return f"sandbox {sandbox.name} is gone"
        try:
            found = self.limactl.inspect([plan.instance for plan in plans])
        except LimactlError as error:
            return f"limactl list: {error}"
        for plan in plans:
            instance = found.get(plan.instance)
            if instance is None:
                return f"host {plan.host_name}: its instance {plan.instance} is gone"
            if instance.status != "Running":
                why = f" ({instance.errors})" if instance.errors else ""
                return f"host {plan.host_name} does not run any more: {plan.instance} is {instance.status}{why}"
        return None

    def _remove_command(self, name: str) -> str:
        argv = [sys.executable, "-m", "pytest_2501bench.sandbox.lima"]
        argv += ["--cache-dir", str(self.holdings.state.parent.parent), "destroy", name]
        return shlex.join(["env", f"LIMA_HOME={lima_home()}", *argv])

    def _left_behind(self, name: str, left: str) -> BenchError:
        return BenchError(
            Cause.RESTORE_FAILED,
            f"sandbox {name} was not removed: {left}.",
            remedy=f"Remove it with `{self._remove_command(name)}`.",
        )

    def destroy(self, sandbox: Sandbox) -> None:
        """Remove everything of *sandbox*, whoever made it; harmless when repeated. Only its name is looked at.

        Raises:
            BenchError: ``restore_failed``, naming what is left and the command that removes it.
        """
        left = self.holdings.remove(sandbox.name)
        if left:
            raise self._left_behind(sandbox.name, left)

    def quarantine(self, sandbox: Sandbox, reason: str) -> str:
        """Do nothing: every run gets a fresh machine."""
        return ""

    def keep(self, sandbox: Sandbox) -> None:
        """Let *sandbox* outlive this session; only :meth:`destroy` removes it then."""
        self.holdings.ledger.keep(sandbox.name)

    def list_owned(self) -> list[Owned]:
        """List the ledger's sandboxes (and templates that are being built), oldest first."""
        return [
            Owned(lease.name, lease.owner_alive(), lease.owner.pid, lease.created_at, self._remove_command(lease.name))
            for lease in self.holdings.ledger.leases(MODE)
        ]

    def reap(self) -> list[str]:
        """Remove what dead owners left; return the names. What cannot be removed stays in the ledger."""
        removed = []
        with self.holdings.ledger.reaping() as mine:
            for lease in self.holdings.ledger.leases(MODE) if mine else ():
                if not lease.owner_alive() and not self.holdings.remove(lease.name):
                    removed.append(lease.name)
        return removed

    def images(self) -> list[Image]:
        """List the templates that are built."""
        return self.cache.built(self._templates)

    def remove_image(self, name: str) -> None:
        """Delete a template, and those with packages on top of it."""
        self.cache.remove(name, self._user_of)

    def _user_of(self, image: str) -> str | None:
        for lease in self.holdings.ledger.leases(MODE):
            if any(plan.image == image for plan in self._plans(lease.name)):
                return lease.name
        return None
