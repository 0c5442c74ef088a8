"""Templates as stopped instances ``template-NAME``, and ``template-NAME.DIGEST`` with packages on top of one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.lima import recipe
from pytest_2501bench.sandbox.lima.holdings import Holdings
from pytest_2501bench.sandbox.lima.limactl import Instance, LimactlError, lima_home
from pytest_2501bench.sandbox.protocol import Image
from pytest_2501bench.sandbox.templates import Template

SOURCE: Final = "debian-12"
"""Lima's own template: images of Debian's cloud team, by digest, for this machine's architecture."""
COPY_SECONDS: Final = 900.0  # file systems without copy-on-write copy the whole disk
_RECIPE: Final = recipe.SCRUB + recipe.access_script("", "", "x") + SOURCE


@dataclass(frozen=True, slots=True)
class Built:
    """Our note of a finished template."""

    name: str
    template: str
    packages: tuple[str, ...]
    fingerprint: str
    build: str  # differs with each build
    built_at: float
    arch: str
    vm_type: str
    disk: str  # for limactl without clone: a disk that new instances can begin with


class Images:
    """The templates of one ``LIMA_HOME``."""

    def __init__(self, holdings: Holdings, mirror: str | None = None) -> None:
        self.holdings = holdings
        self.limactl = holdings.limactl
        self.mirror = mirror
        self.notes = holdings.state / "images"

    @staticmethod
    def name(template: Template, packages: Sequence[str]) -> str:
        """Return the name of the instance, whether it is there or not."""
        if not packages:
            return f"template-{template.name}"
        digest = hashlib.sha256("\n".join(sorted(set(packages))).encode()).hexdigest()[:8]
        return f"template-{template.name}.{digest}"  # no template's own name has a dot

    def note(self, name: str) -> Built | None:
        """Return our note of a finished template, or None."""
        try:
            row = json.loads((self.notes / f"{name}.json").read_text(encoding="utf-8"))
            return Built(**{**row, "packages": tuple(row["packages"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def fingerprint(self, template: Template, packages: Sequence[str]) -> str:
        """Return what an up-to-date build carries; with packages it hangs on the very build below."""
        # Without clone an image also needs its disk: another way of making it.
        way = "" if self.limactl.features.clone else " disk"
        base = template.fingerprint(_RECIPE + (self.mirror or "") + way)
        if not packages:
            return base
        below = self.note(self.name(template, ()))
        text = "\n".join([base, below.build if below else "", *sorted(set(packages))])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def complete(self, template: Template, packages: Sequence[str]) -> bool:
        """Say whether all that a host needs is built, up to date and still there."""
        if packages and not self.complete(template, ()):
            return False
        name = self.name(template, packages)
        note = self.note(name)
        if note is None or note.fingerprint != self.fingerprint(template, packages):
            return False
        return (lima_home() / name / "lima.yaml").exists() and (not note.disk or Path(note.disk).exists())

    def instance(self, name: str) -> Instance:
        """Ask limactl about *name*, which must be there.

        Raises:
            LimactlError: it is not.
        """
        found = self.limactl.inspect([name]).get(name)
        if found is None:
            raise LimactlError(f"instance {name} is gone")
        return found

    def derive(self, template: Template, source: str, name: str, *, directory: Path, calls: Path, log: Path) -> None:
        """Make instance *name* with the disk of template instance *source*; it is not started.

        Args:
            template: of both. A clone has its settings anyway; without clone they must be said again.
            source: name of a finished template.
            name: of the new instance.
            directory: for a file of ours.
            calls: see :meth:`.limactl.Limactl.change`.
            log: likewise.
        """
        if self.limactl.features.clone:
            self.limactl.change("clone", source, name, log=log, calls=calls, seconds=COPY_SECONDS)
            return
        note = self.note(source)
        if note is None:
            raise LimactlError(f"{source} is gone")
        path = directory / f"{name}.yaml"
        path.write_text(recipe.document(template, note.disk, note.arch, note.vm_type), encoding="utf-8")
        self.limactl.change("create", f"--name={name}", str(path), log=log, calls=calls, seconds=COPY_SECONDS)

    def open(self, name: str, boot_script: str, network: str | None) -> None:
        """Put our way in into the settings of instance *name*, which is not started yet."""
        path = lima_home() / name / "lima.yaml"
        temporary = path.with_name("lima.yaml.tmp")
        temporary.touch(0o600)
        settings = recipe.with_way_in(path.read_text(encoding="utf-8"), boot_script, network)
        temporary.write_text(settings, encoding="utf-8")
        temporary.replace(path)

    def built(self, templates: Mapping[str, Template]) -> list[Image]:
        """List the finished templates that are still there, by name."""
        images = []
        for path in sorted(self.notes.glob("*.json"), key=lambda path: path.stem):
            note = self.note(path.stem)
            folder = lima_home() / path.stem
            if note is None or not (folder / "lima.yaml").exists():
                continue
            definition = templates.get(note.template)
            current = definition is not None and self.complete(definition, note.packages)
            files = [*(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())]
            if note.disk and not Path(note.disk).is_relative_to(folder):
                files.append(Path(note.disk))
            size = sum(file.stat().st_blocks * 512 for file in files if file.exists())
            images.append(Image(note.name, note.template, note.packages, current, size, note.built_at))
        return images

    def forget(self, name: str) -> None:
        """Remove our note of template *name*, and its disk if that is a file of ours."""
        for file in self.notes.glob(f"{name}.*"):
            if file.name in (f"{name}.json", f"{name}.qcow2"):
                file.unlink(missing_ok=True)

    def remove(self, name: str, used: Callable[[str], str | None]) -> None:
        """Delete template *name* and those on top of it, whose disks may refer to its own; harmless when repeated.

        Args:
            name: of the instance.
            used: says which sandbox needs a template, or None.

        Raises:
            BenchError: ``restore_failed``; a sandbox needs it, or it cannot be removed.
        """
        if not re.fullmatch(r"template-[a-z0-9-]+(\.[0-9a-f]{8})?", name):
            return
        above = [path.stem for path in self.notes.glob(f"{name}.????????.json")] if "." not in name else []
        for one in (*above, name):
            sandbox = used(one)
            if sandbox is not None:
                raise BenchError(Cause.RESTORE_FAILED, f"{one} is in use by sandbox {sandbox}")
        for one in (*above, name):
            if self.note(one) is None:
                continue  # not there, or an instance of the user's own that happens to be called so
            left = self.holdings.delete_instances([one], self.notes / f"{one}.log")
            if left:
                raise BenchError(
                    Cause.RESTORE_FAILED, f"{one} was not removed: {left}", remedy=f"Try `limactl delete -f {one}`."
                )
            self.forget(one)
