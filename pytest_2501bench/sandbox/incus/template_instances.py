"""Templates: stopped instances ``template-NAME`` with a snapshot ``ready``, built once and renamed into place."""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.incus.image import RECIPE, unified_tar
from pytest_2501bench.sandbox.incus.instances import (
    FINGERPRINT,
    OWNER,
    PACKAGES,
    ROLE,
    SNAPSHOT,
    TEMPLATE,
    VM,
    instances_of,
    limits,
    rename,
)
from pytest_2501bench.sandbox.incus.server import NOT_FOUND, IncusError, Server
from pytest_2501bench.sandbox.namespace import machine, preflight
from pytest_2501bench.sandbox.namespace.images import Images
from pytest_2501bench.sandbox.protocol import Image, Progress
from pytest_2501bench.sandbox.templates import Template

BUILDING = "building"
TEMPLATE_ROLE = "template"

TRIES = 3

Provisioner = Callable[[Template, str, Progress], AbstractContextManager[str]]
"""Plays the playbooks of a template on a clone of an instance; gives the clone, stopped, and removes what is left."""


@dataclass(frozen=True, slots=True)
class TemplateInstances:
    """The templates of one server, as one user of one machine builds them."""

    server: Server
    cache: Images  # root filesystems and package layers, shared with the namespace mode
    locks: Images  # whose lock and folder for temporary files are ours
    owner: str
    vm: bool = False  # virtual machines are made by their user: see `_usable_vm`

    def name(self, template: Template, packages: tuple[str, ...]) -> str:
        """Return what the instance is called, at most 63 characters."""
        if self.vm:
            return f"template-{template.name}-vm"
        if not packages:
            return f"template-{template.name}"
        key = hashlib.sha256(" ".join(sorted(set(packages))).encode()).hexdigest()[:8]
        return f"template-{template.name}-{key}"

    def fingerprint(self, template: Template) -> str:
        """Return what changes with the definition of *template* or with the way we build it."""
        return template.fingerprint(f"{self.cache.rootfs(template).name}\n{RECIPE}")

    def current(self, template: Template, packages: tuple[str, ...]) -> str | None:
        """Return the instance to clone from, or None while it is missing or stale.

        Raises:
            BenchError: ``sandbox_unavailable``; somebody else's instance has that name.
        """
        if self.vm:
            return self._usable_vm(template)
        name = self.name(template, packages)
        row = self.server.instance(name)
        if row is None:
            return None
        if FINGERPRINT not in row["config"]:
            raise BenchError(
                Cause.SANDBOX_UNAVAILABLE,
                f"the Incus instance {name} was not made by this plugin.",
                remedy=f"Give it another name: `incus rename {self._on(name)} NAME`.",
            )
        return name if row["config"][FINGERPRINT] == self.fingerprint(template) else None

    def _usable_vm(self, template: Template) -> str:
        """Return the VM to clone from. Its user makes it: no VM could be started where this was written.

        Raises:
            BenchError: ``sandbox_unavailable``; there is none, or it is no VM, or has no snapshot.
        """
        name = self.name(template, ())
        row = self.server.instance(name)
        remedy = "docs/sandboxes-incus.md says how to make one."
        if row is None:
            raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"--incus-vm: there is no instance {name}.", remedy=remedy)
        if row["type"] != VM:
            raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"--incus-vm: {name} is a {row['type']}.", remedy=remedy)
        if not any(url.endswith(f"/{SNAPSHOT}") for url in self.server.call("GET", f"/1.0/instances/{name}/snapshots")):
            remedy = f"`incus snapshot create {self._on(name)} {SNAPSHOT}`, when it is stopped."
            raise BenchError(
                Cause.SANDBOX_UNAVAILABLE, f"--incus-vm: {name} has no snapshot {SNAPSHOT!r}.", remedy=remedy
            )
        return name

    def _on(self, name: str) -> str:
        return name if self.server.place.socket is not None else f"{self.server.place.remote}:{name}"

    def build(
        self, template: Template, packages: tuple[str, ...], pool: str, progress: Progress, provisioner: Provisioner
    ) -> None:
        """Build the template unless it is current; others wait, and are told so.

        Raises:
            BenchError: ``sandbox_unavailable``, with the words of whoever refused.
            IncusError: the server refused or was lost; nothing is left but what :meth:`sweep` removes.
        """
        self._prepare_layers(template, packages, progress)
        step = f"template {self.name(template, packages)}"
        with self.locks.building(step, progress) as folder:
            if self.current(template, packages):
                return
            self._sweep()
            started = time.monotonic()
            progress(f"{step}: copying into Incus…")
            layers = self.cache.lower(template, packages, provisioned=False)
            fingerprint = self.server.upload_image(
                unified_tar(layers, self.name(template, packages), folder), {OWNER: self.owner}
            )
            try:
                self._build(
                    template, packages, pool=pool, fingerprint=fingerprint, progress=progress, provisioner=provisioner
                )
            finally:
                self._remove_image(fingerprint)
            progress(f"{step}: ready after {time.monotonic() - started:.0f} s")

    def _prepare_layers(self, template: Template, packages: tuple[str, ...], progress: Progress) -> None:
        if self.cache.complete(template, packages, provisioned=False):
            return
        built = self.cache.has_rootfs(template)
        obstacles = preflight.obstacles(machine.gather(self.cache.directory, rootfs_built=built))
        if obstacles:
            raise BenchError(
                Cause.SANDBOX_UNAVAILABLE,
                f"template {template.name} cannot be built here: {obstacles[0].what}.",
                remedy=obstacles[0].remedy,
            )
        self.cache.prepare(template, packages, progress, None)

    def _build(
        self,
        template: Template,
        packages: tuple[str, ...],
        *,
        pool: str,
        fingerprint: str,
        progress: Progress,
        provisioner: Provisioner,
    ) -> None:
        blank = f"{BUILDING}-{self.owner}"
        body = {
            "name": blank,
            "type": "container",
            "source": {"type": "image", "fingerprint": fingerprint},
            "profiles": [],
            "config": {**limits(template), OWNER: self.owner, ROLE: BUILDING},
            "devices": {"root": {"type": "disk", "path": "/", "pool": pool}},
        }
        try:
            self.server.run("POST", "/1.0/instances", body, **self._query())
            if all(part.playbook is None for part in template.chain):
                self._publish(blank, template, packages)
                return
            self._snapshot(blank)
            with provisioner(template, blank, progress) as provisioned:
                self._publish(provisioned, template, packages)
        finally:
            self.server.remove_instances([blank])

    def _query(self) -> dict[str, str]:
        return {"target": self.server.place.target} if self.server.place.target else {}

    def _snapshot(self, instance: str) -> None:
        self.server.run("POST", f"/1.0/instances/{instance}/snapshots", {"name": SNAPSHOT, "stateful": False})

    def _publish(self, instance: str, template: Template, packages: tuple[str, ...]) -> None:
        """Make a stopped instance the template: no name, key or network card of its own, then its snapshot and name."""
        row = self.server.instance(instance)
        assert row is not None
        name, fingerprint = self.name(template, packages), self.fingerprint(template)
        config = {key: value for key, value in row["config"].items() if not key.startswith(("user.", "raw."))}
        config |= {OWNER: self.owner, ROLE: TEMPLATE_ROLE, TEMPLATE: template.name}
        config |= {PACKAGES: " ".join(packages), FINGERPRINT: fingerprint}
        changed = {**row, "config": config, "devices": {"root": row["devices"]["root"]}}
        self.server.run("PUT", f"/1.0/instances/{instance}", changed)
        self._snapshot(instance)
        for _ in range(TRIES):
            if rename(self.server, instance, name):
                return
            if self.current(template, packages):
                self.server.remove_instances([instance])  # another machine was faster
                return
            self.server.remove_instances([name])  # clones do not need it
        raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"somebody else builds the Incus instance {name} all the time")

    def sweep(self) -> None:
        """Remove what a builder of ours that was killed has left, unless one builds at this moment."""
        self.locks.directory.mkdir(parents=True, exist_ok=True)
        with (self.locks.directory / "build.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._sweep()

    def _sweep(self) -> None:
        left = [row["name"] for row in instances_of(self.server, self.owner) if row["config"].get(ROLE) == BUILDING]
        self.server.remove_instances(left)
        for image in self.server.call("GET", "/1.0/images", recursion="1"):
            if image["properties"].get(OWNER) == self.owner:
                self._remove_image(image["fingerprint"])

    def _remove_image(self, fingerprint: str) -> None:
        try:
            self.server.run("DELETE", f"/1.0/images/{fingerprint}")
        except IncusError as error:
            if error.status != NOT_FOUND:
                raise

    def built(self, templates: Mapping[str, Template]) -> list[Image]:
        """List the templates on the server, whoever built them; *templates* says what is current."""
        found = []
        for row in sorted(self.server.instances(), key=lambda row: str(row["name"])):
            config = row["config"]
            if config.get(ROLE) != TEMPLATE_ROLE:
                continue
            template = templates.get(config[TEMPLATE])
            found.append(
                Image(
                    name=row["name"],
                    template=config[TEMPLATE],
                    packages=tuple(config.get(PACKAGES, "").split()),
                    current=template is not None and config[FINGERPRINT] == self.fingerprint(template),
                    built_at=datetime.fromisoformat(row["created_at"]).timestamp(),
                )
            )
        return found
