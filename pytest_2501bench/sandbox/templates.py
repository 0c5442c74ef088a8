"""What each template contains, and a fingerprint of it: stale images are rebuilt, clones never touch a template.

A template is a folder with a ``template.toml`` and, if packages alone do not make it, a ``provision.yml`` that is
played on the machine once, when it is built. The contract's templates are in ``pytest_2501bench/templates/``;
``--vm-templates-path`` adds folders of one's own. A template may stand on another one, its ``base``.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES

SUITE: Final = "bookworm"
"""Debian 12, as the contract says."""

TEMPLATE_FILE: Final = "template.toml"
PLAYBOOK: Final = "provision.yml"
SHIPPED: Final = Path(__file__).parent.parent / "templates"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VENV: Final = "python3-venv"
"""What makes the virtual environment of a template with Python requirements."""


@dataclass(frozen=True, slots=True)
class Template:
    """Definition of a machine that runs clone; each mode builds it in its own native form."""

    name: str
    packages: tuple[str, ...]
    description: str = ""
    python: tuple[str, ...] = ()
    """Requirements from PyPI, installed at build time into a virtual environment, ``/opt/NAME``."""
    requires: tuple[str, ...] = ()
    """Capabilities that a mode must have for hosts of this template to work."""
    cpus: int = 1
    ram_gb: float = 1.0
    disk_gb: int = 10
    playbook: Path | None = None
    """Played once over SSH when the template is built; files beside it may be used by it."""
    content: str = ""
    """Digest of every file in the template's folder."""
    folder: Path | None = None
    """Where its files are."""
    base: Template | None = None
    """The template that this one adds to; its packages and requirements are part of ours."""

    @property
    def chain(self) -> tuple[Template, ...]:
        """The templates that this one consists of, the lowest first, itself last."""
        return (*self.base.chain, self) if self.base else (self,)

    @property
    def own_packages(self) -> tuple[str, ...]:
        """Debian packages that the base does not have."""
        return tuple(name for name in self.packages if self.base is None or name not in self.base.packages)

    def fingerprint(self, recipe: str = "") -> str:
        """Return 12 hexadecimal digits that change with the definition or with the mode's *recipe* for building it."""
        values = {name: value for name, value in asdict(self).items() if name not in ("playbook", "folder", "base")}
        if self.base is not None:
            values["base"] = self.base.fingerprint()
        definition = json.dumps({"suite": SUITE, "recipe": recipe, **values}, sort_keys=True)
        return hashlib.sha256(definition.encode()).hexdigest()[:12]


def load_templates(more: Path | None = None) -> Mapping[str, Template]:
    """Return the shipped templates by name, and those in the folders below *more*, which may replace shipped ones.

    Raises:
        BenchError: ``option_invalid``; *more* is no folder, or a template in it breaks the form.
    """
    folders = {folder.name: folder for folder in _folders(SHIPPED)}
    if more is not None:
        if not more.is_dir():
            raise BenchError(Cause.OPTION_INVALID, f"--vm-templates-path {more}: no such folder.")
        own = _folders(more)
        if not own:
            raise BenchError(
                Cause.OPTION_INVALID,
                f"--vm-templates-path {more}: there is no template in it.",
                remedy=f"A template is a folder with a {TEMPLATE_FILE}.",
            )
        folders |= {folder.name: folder for folder in own}
    tables = {name: _table(folder) for name, folder in folders.items()}
    found: dict[str, Template] = {}
    for name in tables:
        _load(name, folders, tables, found, ())
    return MappingProxyType(found)


def unknown_template(name: str, known: Iterable[str]) -> str:
    """Say in one line that there is no template *name*, and which one may have been meant."""
    near = difflib.get_close_matches(name, sorted(known), 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Available: {', '.join(sorted(known))}."
    return f"there is no template {name!r}. {hint}"


def _folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob(f"*/{TEMPLATE_FILE}"))


def _table(folder: Path) -> dict[str, Any]:
    path = folder / TEMPLATE_FILE
    if not _NAME.fullmatch(folder.name):
        raise _wrong(path, f"{folder.name!r} cannot name a template: small letters, digits and - only")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise _wrong(path, f"not readable as TOML: {exc}") from None
    return {name: _value(path, name, value) for name, value in table.items()}


def _load(
    name: str,
    folders: Mapping[str, Path],
    tables: Mapping[str, Mapping[str, Any]],
    found: dict[str, Template],
    above: tuple[str, ...],
) -> Template:
    """Make one template, its base first."""
    if name in found:
        return found[name]
    folder, values = folders[name], dict(tables[name])
    base = None
    if (below := values.pop("base", None)) is not None:
        if below in (*above, name):
            raise _wrong(folder / TEMPLATE_FILE, f"/base: {' on '.join((*above, name, below))} goes round in a circle.")
        if below not in tables:
            raise _wrong(folder / TEMPLATE_FILE, f"/base: {unknown_template(below, tables)}")
        base = _load(below, folders, tables, found, (*above, name))
        for field in ("packages", "requires"):
            values[field] = tuple(sorted({*getattr(base, field), *values.get(field, ())}))
        values = {field: getattr(base, field) for field in _NUMBERS} | values
    if values.get("python"):
        values["packages"] = tuple(sorted({*values.get("packages", ()), _VENV}))
    playbook = folder / PLAYBOOK
    found[name] = Template(
        **{"packages": (), **values},
        name=name,
        playbook=playbook if playbook.is_file() else None,
        content=_digest(folder),
        folder=folder,
        base=base,
    )
    return found[name]


_LISTS: Final = ("packages", "python", "requires")
_KINDS: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "description": ((str,), "a text"),
    "base": ((str,), "the name of a template"),
    "cpus": ((int,), "a whole number above 0"),
    "ram_gb": ((int, float), "a number above 0"),
    "disk_gb": ((int,), "a whole number above 0"),
}


_NUMBERS: Final = ("cpus", "ram_gb", "disk_gb")


def _value(path: Path, name: str, value: Any) -> Any:
    if name in _LISTS:
        return _words(path, name, value)
    if name not in _KINDS:
        known = [field.name for field in fields(Template) if field.name in (*_LISTS, *_KINDS)]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(known)}."
        raise _wrong(path, f"/{name}: no such field. {hint}")
    types, right = _KINDS[name]
    fits = isinstance(value, types) and not isinstance(value, bool)
    if not fits or (name in _NUMBERS and value <= 0):
        raise _wrong(path, f"/{name}: must be {right}, not {value!r}.")
    return float(value) if name == "ram_gb" else value


def _words(path: Path, name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise _wrong(path, f"/{name}: must be a list of texts, not {value!r}.")
    for index, word in enumerate(value):
        if name == "packages" and not _PACKAGE.fullmatch(word):
            raise _wrong(path, f"/{name}/{index}: {word!r} is not a Debian package name.")
        if name == "requires" and word not in KNOWN_CAPABILITIES:
            raise _wrong(path, f"/{name}/{index}: {word!r} is no capability. {', '.join(sorted(KNOWN_CAPABILITIES))}.")
    return tuple(sorted(set(value)))


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()[:16]


def _wrong(path: Path, what: str) -> BenchError:
    return BenchError(Cause.OPTION_INVALID, f"{path}: {what}")


TEMPLATES: Final = load_templates()
"""The shipped ones."""
