"""The cache of root filesystems and package layers: complete when renamed into place, built by one at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.namespace import sources
from pytest_2501bench.sandbox.namespace.shell import SCRIPTS, as_root, environment, last_lines, run_watched
from pytest_2501bench.sandbox.protocol import Image, Progress, silent
from pytest_2501bench.sandbox.templates import SUITE, Template

# Documentation and translations: a third of the size, and nothing in a sandbox reads them.
_DPKG = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/locale/*",
)
WAIT = 5.0  # seconds between two "waiting" lines


def _failed(message: str, *, remedy: str = "", log: Path | None = None) -> BenchError:
    return BenchError(Cause.SANDBOX_UNAVAILABLE, message, remedy=remedy, log=log)


def overlay_options() -> str:
    """Return the mount options that our overlays share; without sync, because nothing in them outlives the machine."""
    return "volatile" if os.geteuid() == 0 else "volatile,userxattr"


@dataclass(frozen=True, slots=True)
class Images:
    """What is below one cache directory. Files belong to root, or to the user's subordinate ids."""

    directory: Path
    mirror: str | None = None

    def rootfs(self, template: Template) -> Path:
        """Return where the root filesystem of *template* is or will be."""
        recipe = (SCRIPTS / "finish.sh").read_text(encoding="utf-8") + "".join(_DPKG)
        return self.directory / "rootfs" / f"{template.name}-{template.fingerprint(recipe)}"

    def has_rootfs(self, template: Template) -> bool:
        """Say whether it is built."""
        return (self.rootfs(template) / "built.json").exists()

    def layer(self, template: Template, packages: tuple[str, ...]) -> Path:
        """Return where the layer with *packages* on top of *template* is or will be.

        Keyed by the very build of the root filesystem, because a rebuilt one has other versions of shared libraries.
        """
        rootfs = self.rootfs(template)
        build = json.loads((rootfs / "built.json").read_text(encoding="utf-8"))["build"]
        key = hashlib.sha256("\n".join([rootfs.name, build, *sorted(set(packages))]).encode()).hexdigest()[:16]
        return self.directory / "layers" / key

    def lower(self, template: Template, packages: tuple[str, ...]) -> tuple[Path, ...]:
        """Return the read-only layers of a host, topmost first."""
        rootfs = self.rootfs(template) / "root"
        return (self.layer(template, packages) / "root", rootfs) if packages else (rootfs,)

    def complete(self, template: Template, packages: tuple[str, ...]) -> bool:
        """Say whether all that a host needs is built."""
        if not self.has_rootfs(template):
            return False
        return not packages or (self.layer(template, packages) / "built.json").exists()

    @contextmanager
    def building(self, step: str, progress: Progress) -> Iterator[Path]:
        """Wait for the one right to build; yields an empty temporary directory, removed at the end."""
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
            temporary = self.directory / "building"
            delete(temporary)  # of a builder that was killed
            temporary.mkdir()
            # mmdebstrap's helper users must reach it.
            temporary.chmod(0o755)
            try:
                yield temporary
            finally:
                delete(temporary)

    def _finish(self, temporary: Path, target: Path, more: dict[str, str]) -> None:
        built = {"build": f"{time.time_ns():x}", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **more}
        (temporary / "built.json").write_text(json.dumps(built), encoding="utf-8")
        target.parent.mkdir(exist_ok=True)
        delete(target)
        temporary.rename(target)

    def build_rootfs(self, template: Template, progress: Progress = silent) -> None:
        """Build the root filesystem of *template* unless it is there.

        Raises:
            BenchError: ``sandbox_unavailable``, with mmdebstrap's own words and its log.
        """
        step = f"base root filesystem ({template.name})"
        if self.has_rootfs(template):
            return
        with self.building(step, progress) as temporary:
            if self.has_rootfs(template):
                return
            log = self.directory / "rootfs-build.log"
            part = temporary / "rootfs"
            (part / "root").mkdir(parents=True)
            root = os.geteuid() == 0
            archive = temporary / "rootfs.tar"
            argv: list[str | Path] = [
                "mmdebstrap",
                f"--mode={'root' if root else 'unshare'}",
                "--variant=minbase",
                "--format=tar",
                f"--keyring={sources.KEYRING}",
                '--aptopt=Apt::Install-Recommends "false"',
                *(f"--aptopt={option.replace('=', ' ', 1)}" for option in _quoted(sources.apt_options())),
                *(f"--dpkgopt={option}" for option in _DPKG),
                f"--include={','.join(template.packages)}",
                SUITE,
                archive,
                *sources.sources(self.mirror),
            ]
            env = environment(**sources.proxy_environment())
            if root:
                env["TMPDIR"] = str(temporary)  # removed with it if mmdebstrap is killed; sub-uids may not reach it
            status = run_watched(argv, step=step, log=log, progress=progress, env=env, prefix="I: ")
            if status != 0:
                raise _failed(
                    f"the base root filesystem could not be built: {last_lines(log)}",
                    remedy="Is the package mirror reachable? Another one can be given as mirror.",
                    log=log,
                )
            self._unpack(archive, part / "root", step, progress)
            self._finish(part, self.rootfs(template), {"template": template.name, "origin": "mmdebstrap"})
        progress(f"{step}: ready")

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

    def import_tar(self, template: Template, archive: Path, progress: Progress = silent) -> None:
        """Take the root filesystem of *template* from a tar archive (see :meth:`export_tar`) instead of building it."""
        step = f"base root filesystem ({template.name})"
        with self.building(step, progress) as temporary:
            part = temporary / "rootfs"
            (part / "root").mkdir(parents=True)
            self._unpack(archive, part / "root", step, progress)
            self._finish(part, self.rootfs(template), {"template": template.name, "origin": archive.name})

    def export_tar(self, template: Template, archive: Path) -> None:
        """Write the root filesystem of *template* to a tar archive: for machines without a mirror, for other users."""
        root = self.rootfs(template) / "root"
        tar = ["tar", "--create", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--directory", str(root)]
        with archive.open("wb") as file:
            done = subprocess.run([*as_root(), *tar, "."], stdout=file, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise _failed(f"{archive} could not be written: {done.stderr.decode(errors='replace').strip()}")

    def build_layer(self, template: Template, packages: tuple[str, ...], progress: Progress = silent) -> None:
        """Install *packages* into a cached layer unless it is there.

        Raises:
            BenchError: ``sandbox_unavailable``, with apt's own words and its log.
        """
        names = " ".join(sorted(set(packages)))
        step = f"packages ({names})"
        if self.complete(template, packages):
            return
        with self.building(step, progress) as temporary:
            if self.complete(template, packages):
                return
            target = self.layer(template, packages)
            part = temporary / "layer"
            part.mkdir()
            lines = sources.sources(self.mirror)
            if lines:
                (part / "sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
            log = self.directory / f"layer-{target.name}.log"
            users = [] if os.geteuid() == 0 else ["--user", "--map-auto", "--map-root-user"]
            options = [f"-o{option}" for option in sources.apt_options()]
            argv: list[str | Path] = [
                "unshare",
                *users,
                *("--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation", "private"),
                *("sh", SCRIPTS / "layer.sh", part, self.rootfs(template) / "root", overlay_options()),
                *(sources.ca_file() or "-", *options, "--", *sorted(set(packages))),
            ]
            env = environment(DEBIAN_FRONTEND="noninteractive", LANG="C.UTF-8", **sources.proxy_environment())
            if run_watched(argv, step=step, log=log, progress=progress, env=env) != 0:
                raise _failed(f"packages {names} could not be installed: {last_lines(log)}", log=log)
            for leftover in ("mount", "work", "sources.list"):
                delete(part / leftover)
            self._finish(part, target, {"template": template.name, "packages": names})
            log.unlink()
        progress(f"{step}: ready")

    def built(self) -> list[Image]:
        """List what is on disk, by name."""
        found = []
        for path in sorted((*self.directory.glob("rootfs/*/built.json"), *self.directory.glob("layers/*/built.json"))):
            row = json.loads(path.read_text(encoding="utf-8"))
            packages = tuple(str(row.get("packages", "")).split())
            found.append(Image(name=path.parent.name, template=row["template"], packages=packages))
        return found

    def remove_one(self, name: str) -> None:
        """Remove one of :meth:`built`."""
        for kind in ("layers", "rootfs"):
            delete(self.directory / kind / name)

    def remove(self) -> None:
        """Remove every root filesystem and layer."""
        for name in ("building", "layers", "rootfs", "build.lock"):
            delete(self.directory / name)
        for log in self.directory.glob("*.log"):
            log.unlink()


def _quoted(options: list[str]) -> list[str]:
    return [f'{name}="{value}"' for name, _, value in (option.partition("=") for option in options)]


def delete(path: Path) -> None:
    """Remove *path*, whoever of the sandbox's users its files belong to."""
    if not path.exists() and not path.is_symlink():
        return
    if os.geteuid() == 0:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        return
    done = subprocess.run(
        [*as_root(), "rm", "-rf", "--", str(path)], capture_output=True, text=True, check=False, env=environment()
    )
    if done.returncode != 0:
        raise BenchError(Cause.RESTORE_FAILED, f"{path} cannot be removed: {done.stderr.strip()}")
