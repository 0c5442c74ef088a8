"""Where root filesystems and layers lie on disk, what they stand on, whether they are whole: the reading half."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from calendar import timegm
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.namespace.shell import SCRIPTS, as_root, environment
from pytest_2501bench.sandbox.protocol import Image
from pytest_2501bench.sandbox.templates import Template

# Documentation and translations: a third of the size, and nothing in a sandbox reads them.
DPKG: Final = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/locale/*",
)
BUILT: Final = "built.json"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


def overlay_options() -> str:
    """Return the mount options that our overlays share; without sync, because nothing in them outlives the machine."""
    return "volatile" if os.geteuid() == 0 else "volatile,userxattr"


def _row(folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = json.loads((folder / BUILT).read_text(encoding="utf-8"))
    return row


def _key(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ImageCache:
    """What is below one cache directory. Files belong to root, or to the user's subordinate ids.

    ``rootfs/NAME-FINGERPRINT`` is a template before its playbook: a whole root filesystem, or what it adds to that of
    its base. ``layers/KEY`` is what comes on top: what the playbooks changed, or a scenario's packages. A folder is
    whole when it has ``built.json``; whoever builds it renames it into place.
    """

    directory: Path
    mirror: str | None = None

    def rootfs(self, template: Template) -> Path:
        """Return where *template* before its playbook is or will be."""
        scripts = ("finish.sh",) if template.base is None else ("layer.sh",)
        recipe = "".join((SCRIPTS / name).read_text(encoding="utf-8") for name in scripts) + "".join(DPKG)
        return self.directory / "rootfs" / f"{template.name}-{template.fingerprint(recipe)}"

    def has_rootfs(self, template: Template) -> bool:
        """Say whether it is built, on the very build of its base that is there now."""
        folder = self.rootfs(template)
        if not (folder / BUILT).exists():
            return False
        below = _row(folder).get("below")
        if below is None:
            return True
        return template.base is not None and self.has_rootfs(template.base) and below == self.build(template.base)

    def build(self, template: Template) -> str:
        """Return the name of the build: another one has other versions of shared libraries, for instance."""
        return str(_row(self.rootfs(template))["build"])

    def roots(self, template: Template) -> tuple[Path, ...]:
        """Return the read-only layers of *template* before its playbook, topmost first."""
        folder = self.rootfs(template)
        row = _row(folder)
        own = tuple(folder / name for name in row.get("layers", ["root"]))
        below = self.roots(template.base) if row.get("below") is not None and template.base is not None else ()
        return (*own, *below)

    def provisioned(self, template: Template) -> Path | None:
        """Return where the layer with the work of the playbooks is or will be; None where there is no playbook."""
        if all(part.playbook is None for part in template.chain):
            return None
        key = _key([self.rootfs(template).name, self.build(template), (SCRIPTS / "clean.sh").read_text("utf-8")])
        return self.directory / "layers" / f"provisioned-{key}"

    def layer(self, template: Template, packages: tuple[str, ...], *, provisioned: bool = True) -> Path:
        """Return where the layer with *packages* is or will be, on top of *template* with or without its playbook."""
        words = [self.rootfs(template).name, self.build(template), *sorted(set(packages))]
        if provisioned and (below := self.provisioned(template)) is not None:
            words.append(below.name)
        return self.directory / "layers" / _key(words)

    def lower(self, template: Template, packages: tuple[str, ...], *, provisioned: bool = True) -> tuple[Path, ...]:
        """Return the read-only layers of a host, topmost first."""
        layers = [self.layer(template, packages, provisioned=provisioned)] if packages else []
        if provisioned and (below := self.provisioned(template)) is not None:
            layers.append(below)
        return (*(layer / "root" for layer in layers), *self.roots(template))

    def complete(self, template: Template, packages: tuple[str, ...], *, provisioned: bool = True) -> bool:
        """Say whether all that a host needs is built."""
        if not self.has_rootfs(template):
            return False
        below = self.provisioned(template) if provisioned else None
        if below is not None and not (below / BUILT).exists():
            return False
        return not packages or (self.layer(template, packages, provisioned=provisioned) / BUILT).exists()

    def built(self, templates: Mapping[str, Template]) -> list[Image]:
        """List what is on disk, what stands on others before them; *templates* says what is current."""
        layers, roots = (
            sorted(path.parent for path in self.directory.glob(f"{kind}/*/{BUILT}")) for kind in ("layers", "rootfs")
        )
        below = {folder.name: str(_row(folder).get("on", "")) for folder in roots}
        folders = [*layers, *sorted(roots, key=lambda folder: -_depth(folder.name, below))]
        sizes = _sizes(folders)
        found = []
        for folder in folders:
            row = _row(folder)
            packages = tuple(str(row.get("packages", "")).split())
            template = templates.get(row["template"])
            found.append(
                Image(
                    name=folder.name,
                    template=row["template"],
                    packages=packages,
                    current=template is not None and folder in self._current(template, packages),
                    size=sizes.get(folder),
                    built_at=float(timegm(time.strptime(row["at"], _TIME))),
                )
            )
        return found

    def _current(self, template: Template, packages: tuple[str, ...]) -> set[Path | None]:
        if not self.has_rootfs(template):
            return set()
        if not packages:
            return {self.rootfs(template), self.provisioned(template)}
        return {self.layer(template, packages, provisioned=with_playbook) for with_playbook in (True, False)}

    def standing_on(self, name: str) -> list[Path]:
        """Return the folders of what was built on the image *name*: its layers, and templates with it as their base."""
        found = []
        for path in sorted((*self.directory.glob(f"layers/*/{BUILT}"), *self.directory.glob(f"rootfs/*/{BUILT}"))):
            if _row(path.parent).get("on") == name:
                found.append(path.parent)
        return found

    def folder(self, name: str) -> Path | None:
        """Return the folder of the image *name*."""
        return next((path for kind in ("rootfs", "layers") if (path := self.directory / kind / name).is_dir()), None)

    def remove(self) -> None:
        """Remove every root filesystem and layer."""
        for name in ("building", "layers", "rootfs", "build.lock"):
            delete(self.directory / name)
        for log in self.directory.glob("*.log"):
            log.unlink()


def _depth(name: str, below: Mapping[str, str]) -> int:
    return 0 if not below.get(name) else 1 + _depth(below[name], below)


def stamp() -> dict[str, str]:
    """Return what tells this build from every other one."""
    return {"build": f"{time.time_ns():x}", "at": time.strftime(_TIME, time.gmtime())}


def _sizes(folders: list[Path]) -> dict[Path, int]:
    """Return the bytes on disk of each; as root of the sandboxes, whose files we may not be allowed to look at."""
    if not folders:
        return {}
    argv = [*as_root(), "du", "--summarize", "--block-size=1", "--count-links", "--", *map(str, folders)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment())
    rows = (line.split("\t", 1) for line in done.stdout.splitlines())
    return {Path(path): int(size) for size, path in rows}


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
