"""Builds root filesystems and layers: complete when renamed into place, built by one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.namespace import sources
from pytest_2501bench.sandbox.namespace.cache import BUILT, DPKG, ImageCache, delete, overlay_options, stamp
from pytest_2501bench.sandbox.namespace.pip import write_requirements
from pytest_2501bench.sandbox.namespace.shell import SCRIPTS, as_root, environment, last_lines, run_watched
from pytest_2501bench.sandbox.protocol import Progress, silent
from pytest_2501bench.sandbox.templates import SUITE, Template

__all__ = ["Images", "Provisioner", "delete", "overlay_options"]

WAIT = 5.0  # seconds between two "waiting" lines
_USERS = ("--user", "--map-auto", "--map-root-user")

Provisioner = Callable[[Template, tuple[Path, ...], Path], None]
"""Plays a template's playbooks on a host with these read-only layers, and leaves what they changed in a new folder."""


def _failed(message: str, *, remedy: str = "", log: Path | None = None) -> BenchError:
    return BenchError(Cause.SANDBOX_UNAVAILABLE, message, remedy=remedy, log=log)


@dataclass(frozen=True, slots=True)
class Images(ImageCache):
    """The cache with everything that changes it."""

    @contextmanager
    def building(self, step: str, progress: Progress) -> Iterator[Path]:
        """Wait for the one right to build; yields an empty temporary directory, removed at the end."""
        with self._alone(step, progress):
            temporary = self.directory / "building"
            delete(temporary)  # of a builder that was killed
            temporary.mkdir()
            # mmdebstrap's helper users must reach it.
            temporary.chmod(0o755)
            try:
                yield temporary
            finally:
                delete(temporary)

    @contextmanager
    def _alone(self, step: str, progress: Progress) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        told = started
        with (self.directory / "build.lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() - told > WAIT:
                        told = time.monotonic()
                        progress(f"{step}: another process is building; waiting… {told - started:.0f} s")
                    time.sleep(0.1)
            yield

    def _finish(self, temporary: Path, target: Path, more: dict[str, Any]) -> None:
        (temporary / BUILT).write_text(json.dumps({**stamp(), **more}), encoding="utf-8")
        target.parent.mkdir(exist_ok=True)
        delete(target)
        temporary.rename(target)

    def prepare(
        self, template: Template, packages: tuple[str, ...], progress: Progress, provisioner: Provisioner | None
    ) -> None:
        """Build all that a host needs and that is not there.

        Args:
            template: of the host.
            packages: of the scenario, on top.
            progress: is told the steps.
            provisioner: plays the template's playbooks; None: do without them, for others who play them elsewhere.

        Raises:
            BenchError: ``sandbox_unavailable``, with the words of mmdebstrap, apt, pip or Ansible, and the log.
        """
        self.build_rootfs(template, progress)
        if provisioner is not None and self.provisioned(template) is not None:
            self._build_provisioned(template, progress, provisioner)
        if packages:
            self.build_layer(template, packages, progress, provisioned=provisioner is not None)

    def build_rootfs(self, template: Template, progress: Progress = silent) -> None:
        """Build *template* without its playbook, its base first, unless it is there.

        Raises:
            BenchError: ``sandbox_unavailable``, with mmdebstrap's or apt's own words and the log.
        """
        if template.base is not None:
            self.build_rootfs(template.base, progress)
        if self.has_rootfs(template):
            return
        step = f"base root filesystem ({template.name})" if template.base is None else f"template {template.name}"
        with self.building(step, progress) as temporary:
            if self.has_rootfs(template):
                return
            part = temporary / "rootfs"
            part.mkdir()
            row: dict[str, Any] = {"template": template.name}
            if template.base is None:
                self._debootstrap(template, part, step, progress)
                row |= {"origin": "mmdebstrap", "layers": ["root"]}
                if template.python:
                    self._install(
                        part / "python", (part / "root",), (), template=template, step=step, progress=progress
                    )
                    row["layers"] = ["python/root", "root"]
            else:
                lower = self.roots(template.base)
                self._install(part, lower, template.own_packages, template=template, step=step, progress=progress)
                row |= {"layers": ["root"], "below": self.build(template.base), "on": self.rootfs(template.base).name}
            self._finish(part, self.rootfs(template), row)
        progress(f"{step}: ready")

    def _debootstrap(self, template: Template, part: Path, step: str, progress: Progress) -> None:
        (part / "root").mkdir()
        log = self.directory / "rootfs-build.log"
        root = os.geteuid() == 0
        archive = part.parent / "rootfs.tar"
        argv: list[str | Path] = [
            "mmdebstrap",
            f"--mode={'root' if root else 'unshare'}",
            "--variant=minbase",
            "--format=tar",
            f"--keyring={sources.KEYRING}",
            '--aptopt=Apt::Install-Recommends "false"',
            *(f"--aptopt={option.replace('=', ' ', 1)}" for option in _quoted(sources.apt_options())),
            *(f"--dpkgopt={option}" for option in DPKG),
            f"--include={','.join(template.packages)}",
            SUITE,
            archive,
            *sources.sources(self.mirror),
        ]
        env = environment(**sources.proxy_environment())
        if root:
            env["TMPDIR"] = str(part.parent)  # removed with it if mmdebstrap is killed; sub-uids may not reach it
        status = run_watched(argv, step=step, log=log, progress=progress, env=env, prefix="I: ")
        if status != 0:
            raise _failed(
                f"the base root filesystem could not be built: {last_lines(log)}",
                remedy="Is the package mirror reachable? Another one can be given as mirror.",
                log=log,
            )
        self._unpack(archive, part / "root", step, progress)

    def _unpack(self, archive: Path, root: Path, step: str, progress: Progress) -> None:
        # Device nodes cannot be made in a user namespace, and hosts get a /dev of their own.
        log = self.directory / "rootfs-unpack.log"
        tar = ["tar", "--extract", "--preserve-permissions", "--numeric-owner", "--exclude=./dev/*"]
        steps: list[list[str | Path]] = [
            [*as_root(), *tar, "--xattrs", "--xattrs-include=*", "--directory", root, "--file", archive],
            [*as_root(), "sh", SCRIPTS / "finish.sh", root],
        ]
        for argv in steps:
            if run_watched(argv, step=step, log=log, progress=progress, env=environment()) != 0:
                raise _failed(f"the base root filesystem could not be unpacked: {last_lines(log)}", log=log)

    def _install(
        self,
        part: Path,
        lower: tuple[Path, ...],
        packages: tuple[str, ...],
        *,
        template: Template | None = None,
        step: str,
        progress: Progress,
    ) -> None:
        """Put into *part*/root what Debian packages, and a template's Python requirements, add to *lower*."""
        part.mkdir(exist_ok=True)
        lines = sources.sources(self.mirror)
        if lines:
            (part / "sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        more = write_requirements(part, template) if template is not None and template.python else {}
        log = self.directory / f"{part.name}-build.log"
        users = () if os.geteuid() == 0 else _USERS
        options = [f"-o{option}" for option in sources.apt_options()]
        argv: list[str | Path] = [
            "unshare",
            *users,
            *("--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation", "private"),
            *("sh", SCRIPTS / "layer.sh", part, ":".join(map(str, lower)), overlay_options()),
            *(sources.ca_file() or "-", *options, "--", *sorted(set(packages))),
        ]
        env = environment(DEBIAN_FRONTEND="noninteractive", LANG="C.UTF-8", **sources.proxy_environment(), **more)
        if run_watched(argv, step=step, log=log, progress=progress, env=env) != 0:
            what = f"packages {' '.join(sorted(set(packages)))}" if template is None else f"template {template.name}"
            raise _failed(f"{what} could not be installed: {last_lines(log)}", log=log)
        for leftover in ("mount", "work", "sources.list", "python", "requirements.txt", "binds"):
            delete(part / leftover)
        log.unlink()

    def _build_provisioned(self, template: Template, progress: Progress, provisioner: Provisioner) -> None:
        if self.complete(template, ()):
            return
        step = f"template {template.name}"
        with self.building(step, progress) as temporary:
            if self.complete(template, ()):
                return
            target = self.provisioned(template)
            assert target is not None
            part = temporary / "provisioned"
            part.mkdir()
            provisioner(template, self.roots(template), part / "root")
            self._clean(part / "root")
            self._finish(part, target, {"template": template.name, "on": self.rootfs(template).name})
        progress(f"{step}: ready")

    def _clean(self, upper: Path) -> None:
        done = subprocess.run(
            [*as_root(), "sh", str(SCRIPTS / "clean.sh"), str(upper)],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        if done.returncode != 0:
            raise _failed(f"{upper} could not be cleaned: {done.stderr.strip()}")

    def build_layer(
        self, template: Template, packages: tuple[str, ...], progress: Progress = silent, *, provisioned: bool = True
    ) -> None:
        """Install *packages* into a cached layer unless it is there; what is below must be.

        Raises:
            BenchError: ``sandbox_unavailable``, with apt's own words and its log.
        """
        names = " ".join(sorted(set(packages)))
        step = f"packages ({names})"
        if self.complete(template, packages, provisioned=provisioned):
            return
        with self.building(step, progress) as temporary:
            if self.complete(template, packages, provisioned=provisioned):
                return
            part = temporary / "layer"
            lower = self.lower(template, (), provisioned=provisioned)
            self._install(part, lower, packages, step=step, progress=progress)
            target = self.layer(template, packages, provisioned=provisioned)
            self._finish(part, target, {"template": template.name, "packages": names, "on": self.rootfs(template).name})
        progress(f"{step}: ready")

    def import_tar(self, template: Template, archive: Path, progress: Progress = silent) -> None:
        """Take the root filesystem of *template* from an archive of :meth:`export_tar` instead of building it."""
        step = f"base root filesystem ({template.name})"
        with self.building(step, progress) as temporary:
            part = temporary / "rootfs"
            (part / "root").mkdir(parents=True)
            self._unpack(archive, part / "root", step, progress)
            self._finish(part, self.rootfs(template), {"template": template.name, "origin": archive.name})

    def export_tar(
        self, template: Template, archive: Path, packages: tuple[str, ...] = (), progress: Progress = silent
    ) -> None:
        """Write one root filesystem, of *template* with *packages*, to a tar archive; builds first what is missing.

        The template's playbooks are not played in it: do so where it will run, with
        :func:`~pytest_2501bench.sandbox.provisioning.provision`. There is no /dev, no host key and no machine id in it.

        Raises:
            BenchError: ``sandbox_unavailable``, as :meth:`prepare`, or the archive cannot be written.
        """
        self.prepare(template, packages, progress, None)
        lower = self.lower(template, packages, provisioned=False)
        users = () if os.geteuid() == 0 else _USERS
        spaces = ["unshare", *users, "--mount", "--propagation", "private"]
        argv = [*spaces, "sh", str(SCRIPTS / "export.sh"), overlay_options(), *map(str, lower)]
        with archive.open("wb") as file:
            done = subprocess.run(argv, stdout=file, stderr=subprocess.PIPE, check=False, env=environment())
        if done.returncode != 0:
            raise _failed(f"{archive} could not be written: {done.stderr.decode(errors='replace').strip()}")

    def remove_one(self, name: str, progress: Progress = silent) -> None:
        """Remove one image with the layers on top of it; harmless when repeated.

        Raises:
            BenchError: ``restore_failed``; another template stands on it.
        """
        with self._alone(f"removal of {name}", progress):
            above = self.standing_on(name)
            templates = [folder.name for folder in above if folder.parent.name == "rootfs"]
            if templates:
                raise BenchError(
                    Cause.RESTORE_FAILED,
                    f"{name} is not removed: {', '.join(templates)} stands on it.",
                    remedy="Remove that first.",
                )
            for folder in (*above, self.folder(name)):
                if folder is not None:
                    delete(folder)


def _quoted(options: list[str]) -> list[str]:
    return [f'{name}="{value}"' for name, _, value in (option.partition("=") for option in options)]
