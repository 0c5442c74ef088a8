"""``--mode incus``: a fresh instance per host, cloned from a template's snapshot, in about a second on btrfs or zfs."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.ids import new_id
from pytest_2501bench.sandbox.incus import instances, launch, preflight
from pytest_2501bench.sandbox.incus.folder import Wanted
from pytest_2501bench.sandbox.incus.holdings import MODE, Holdings
from pytest_2501bench.sandbox.incus.remotes import Place, place_of
from pytest_2501bench.sandbox.incus.server import IncusError, Server
from pytest_2501bench.sandbox.incus.template_instances import TemplateInstances
from pytest_2501bench.sandbox.namespace.access import ssh_argv
from pytest_2501bench.sandbox.namespace.cache import delete
from pytest_2501bench.sandbox.namespace.images import Images
from pytest_2501bench.sandbox.namespace.provider import default_cache_dir
from pytest_2501bench.sandbox.protocol import (
    Capabilities,
    HostSpec,
    Image,
    Obstacle,
    Owned,
    Progress,
    Sandbox,
    silent,
)
from pytest_2501bench.sandbox.templates import TEMPLATES, Template, load_templates, unknown_template

if TYPE_CHECKING:
    from pytest_2501bench.options import Settings

# What installing has left: a journal, and files in /tmp, would be in every clone.
_SCRUB: Final = "rm -rf /var/log/journal/* /tmp/* /var/tmp/* /root/.ansible; sync"


class IncusProvider:
    """Implements :class:`pytest_2501bench.sandbox.protocol.SandboxProvider`.

    A sandbox is a bridge of its own, without address and without a way out, and one instance per host on it. We get in
    by ``incus exec``, so nothing of it depends on the network. On disk there are its folder and its ledger row.
    """

    mode = MODE

    def __init__(
        self,
        place: Place | None = None,
        *,
        vm: bool = False,
        cache_dir: Path | None = None,
        state_dir: Path | None = None,
        mirror: str | None = None,
        templates: Mapping[str, Template] = TEMPLATES,
    ) -> None:
        """Name the places; asks nobody anything.

        Args:
            place: the server; default: this machine's.
            vm: virtual machines in place of containers.
            cache_dir: of root filesystems, shared with the namespace mode.
            state_dir: for the ledger and the keys of sandboxes; default *cache_dir*.
            mirror: a Debian mirror's URL, for root filesystems.
            templates: by name.
        """
        cache = (cache_dir or default_cache_dir()).absolute()
        self.place = place or place_of(None)
        self.vm = vm
        self.templates = templates
        self.server = Server(self.place)
        self.holdings = Holdings((state_dir or cache).absolute() / MODE, self.server)
        self._cache = Images(cache / "namespace", mirror)
        self._session = secrets.token_hex(4)
        self._facts: preflight.Facts | None = None

    @classmethod
    def of(cls, settings: Settings) -> IncusProvider:
        """Return the provider that *settings* mean.

        Raises:
            BenchError: ``option_invalid``; no such remote, or a broken template.
        """
        return cls(
            place_of(settings.incus_remote),
            vm=settings.incus_vm,
            mirror=settings.mirror,
            templates=load_templates(settings.vm_templates_path),
        )

    @property
    def built(self) -> TemplateInstances:
        """The templates on the server."""
        return TemplateInstances(
            self.server, self._cache, Images(self.holdings.state / "build"), self.holdings.owner, self.vm
        )

    def _look(self) -> preflight.Facts:
        if self._facts is None:
            self._facts = preflight.gather(self.server, vm=self.vm)
        return self._facts

    def preflight(self) -> list[Obstacle]:
        """Return everything that stands in the way, looked at afresh; empty when the mode works."""
        self._facts = None
        return preflight.obstacles(self._look(), vm=self.vm)

    def capabilities(self, template: str) -> Capabilities:
        """Say truthfully what hosts made from *template* can do."""
        return preflight.capabilities(template, self.templates, vm=self.vm)

    def _template(self, spec: HostSpec) -> Template:
        found = self.templates.get(spec.template)
        if found is None:
            what = unknown_template(spec.template, self.templates)
            raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"host {spec.host_name}: {what}")
        return found

    def _pool(self) -> str:
        found = preflight.obstacles(self._look(), vm=self.vm)
        if found:
            self._facts = None  # the next one may find it repaired
            raise BenchError(Cause.SANDBOX_UNAVAILABLE, found[0].what, remedy=found[0].remedy)
        assert self._look().pool is not None
        return str(self._look().pool)

    def prepare_images(self, specs: Sequence[HostSpec], progress: Progress = silent) -> None:
        """Build the templates that *specs* need and the server lacks."""
        pool = self._pool()
        for template, packages in dict.fromkeys((self._template(spec), spec.packages) for spec in specs):
            lack = self.capabilities(template.name).lack(template.requires)
            if lack is not None:
                raise BenchError(Cause.SANDBOX_UNAVAILABLE, lack)
            try:
                if self.built.current(template, packages) is None:
                    advice = preflight.slow_pool(self._look())
                    if advice:
                        progress(advice)
                    self.built.build(template, packages, pool, progress, self._provisioned)
            except IncusError as error:
                what = f"template {template.name} could not be built in Incus: {error}"
                raise BenchError(Cause.SANDBOX_UNAVAILABLE, what) from error

    @contextmanager
    def _provisioned(self, template: Template, source: str, progress: Progress) -> Iterator[str]:
        from pytest_2501bench.sandbox.provisioning import provision

        spec = HostSpec("template", template.name)
        sandbox = self._bring_up([Wanted(spec, template, source)])
        try:
            host, instance = sandbox.hosts[0], f"{sandbox.name}-1"
            provision(host, template, progress)
            subprocess.run(ssh_argv(host.ssh, _SCRUB), stdin=subprocess.DEVNULL, capture_output=True, check=True)
            self.server.run("PUT", f"/1.0/instances/{instance}/state", {"action": "stop", "timeout": 60})
            yield instance
        finally:
            self.destroy(sandbox)

    def create(self, specs: Sequence[HostSpec], progress: Progress = silent) -> Sandbox:
        """Make the hosts and return when each answers SSH and its boot is over; on failure all is removed.

        Raises:
            BenchError: ``sandbox_not_created`` or ``ssh_not_up``; ``sandbox_unavailable`` if there is no server, or a
                template cannot be built.
        """
        launch.check_specs(specs)
        self.prepare_images(specs, progress)
        found = [(spec, self._template(spec)) for spec in specs]
        sandbox = self._bring_up(
            [Wanted(spec, template, self.built.name(template, spec.packages)) for spec, template in found]
        )
        if self.vm:
            self._check_packages(sandbox, specs)
        return sandbox

    def _check_packages(self, sandbox: Sandbox, specs: Sequence[HostSpec]) -> None:
        """See that VMs, which their user made, have what the scenario needs; else remove the sandbox."""
        for host, spec in zip(sandbox.hosts, specs, strict=True):
            template = self._template(spec)
            lacking = launch.lacking_packages(host, [*template.packages, *spec.packages])
            if lacking:
                self.destroy(sandbox)
                raise BenchError(
                    Cause.SANDBOX_UNAVAILABLE,
                    f"host {host.host_name}: the VM {self.built.name(template, ())} lacks packages: {lacking}.",
                    remedy="Install them there, and make its snapshot 'ready' anew.",
                )

    def _bring_up(self, wanted: Sequence[Wanted]) -> Sandbox:
        name = new_id("sbx").replace("_", "-")
        pool = self._pool()
        # The row first: from here on a killed owner leaves nothing that the next reaper does not know.
        self.holdings.ledger.add(MODE, name, self._session)
        try:
            marks = self.holdings.marks(name)
            remove = self.holdings.remove_command(name)
            sandbox, plans = self.holdings.folder(name).lay_out(
                wanted, place=self.place, pool=pool, marks=marks, vm=self.vm, remove=remove
            )
            instances.make_network(self.server, plans[0].network, marks)
            launch.start(self.server, plans)
            launch.wait_answers(sandbox)
        except BaseException as error:
            left = self.holdings.remove(name)
            if left:
                raise self.holdings.left_behind(name, left) from error
            if isinstance(error, IncusError | OSError):
                raise BenchError(Cause.SANDBOX_NOT_CREATED, f"sandbox {name}: {error}") from error
            raise
        return sandbox

    def find(self, name: str) -> Sandbox | None:
        """Return a sandbox that any session of this user made, by its name."""
        return self.holdings.folder(name).sandbox()

    def reset(self, sandbox: Sandbox) -> Sandbox:
        """Clone every host anew under its old name, with the same keys; the bridge stays.

        Raises:
            BenchError: ``restore_failed`` if the old instances cannot be removed, else as :meth:`create`.
        """
        plans = self.holdings.folder(sandbox.name).plans()
        if plans is None:
            raise BenchError(Cause.SANDBOX_VANISHED, f"sandbox {sandbox.name} is gone")
        server = self.holdings.server_of(sandbox.name)
        try:
            server.remove_instances([plan.instance for plan in plans])
        except IncusError as error:
            raise self.holdings.left_behind(sandbox.name, error.text) from error
        try:
            launch.start(server, plans)
        except IncusError as error:
            raise BenchError(Cause.SANDBOX_NOT_CREATED, f"sandbox {sandbox.name}: {error}") from error
        launch.wait_answers(sandbox)
        return sandbox

    def alive(self, sandbox: Sandbox) -> str | None:
        """Return None while every host's instance runs, else which one does not."""
        server = self.holdings.server_of(sandbox.name)
        for number, host in enumerate(sandbox.hosts, start=1):
            try:
                row = server.instance(f"{sandbox.name}-{number}")
            except IncusError as error:
                return f"host {host.host_name}: the Incus server does not answer: {error}"
            if row is None:
                return f"host {host.host_name}: its sandbox {sandbox.name} is gone"
            if row["status"] != "Running":
                return f"host {host.host_name} does not run any more: its instance is {row['status']}"
        return None

    def quarantine(self, sandbox: Sandbox, reason: str) -> str:
        """Do nothing: every run gets a fresh machine."""
        return ""

    def keep(self, sandbox: Sandbox) -> None:
        """Let *sandbox* outlive this session; only :meth:`destroy` removes it then."""
        self.holdings.ledger.keep(sandbox.name)

    def destroy(self, sandbox: Sandbox) -> None:
        """Remove everything of *sandbox*, whoever made it; harmless when repeated. Only its name is looked at.

        Raises:
            BenchError: ``restore_failed``, naming what is left and the command that removes it.
        """
        left = self.holdings.remove(sandbox.name)
        if left:
            raise self.holdings.left_behind(sandbox.name, left)

    def list_owned(self) -> list[Owned]:
        """List the ledger's sandboxes of this mode, oldest first."""
        return self.holdings.owned()

    def reap(self) -> list[str]:
        """Remove the sandboxes of dead owners, and what a killed builder has left; return the sandboxes' names."""
        if not self.holdings.state.exists():
            return []  # we have never made anything
        removed = self.holdings.reap()
        with suppress(IncusError):  # the next builder meets it again, and says so
            self.built.sweep()
        return removed

    def images(self) -> list[Image]:
        """List the templates on the server; where there is no daemon there are none."""
        if self.place.socket is not None and not self.place.socket.exists():
            return []
        try:
            return self.built.built(self.templates)
        except IncusError as error:
            raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"the Incus server does not answer: {error}") from error

    def remove_image(self, name: str) -> None:
        """Remove a template; clones live on without it. The name must be one of :meth:`images`.

        Raises:
            BenchError: ``restore_failed``; it could not be removed.
        """
        if name not in {image.name for image in self.images()}:
            return
        try:
            self.server.remove_instances([name])
        except IncusError as error:
            remedy = f"`incus delete --force {name}` may say more."
            raise BenchError(Cause.RESTORE_FAILED, f"{name} was not removed: {error}.", remedy=remedy) from error

    def remove_everything(self, *, living: bool = False) -> None:
        """Remove sandboxes (those of running sessions only if *living*) and the templates that we built.

        Raises:
            BenchError: ``restore_failed`` if a sandbox still runs or cannot be removed; templates are left then.
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
        for row in instances.instances_of(self.server, self.holdings.owner):
            self.remove_image(row["name"])
        delete(self.holdings.state)
