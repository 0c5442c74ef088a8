"""What Ansible packs for one playbook is there for the next: the forks of a warm server share it.

Imported by :mod:`.warm_server` only, and like it not by pytest: Ansible is under the GNU GPL v3.

To run a module on a host, Ansible parses it and all that it imports, and packs these files: 0.1 to 0.3 s per module and
playbook, nearly half of what a short playbook costs. It keeps the packages in its temporary directory, by the module's
name alone, for as long as one playbook runs. Shared here are those that are the same in every playbook: of Ansible's
own modules, unless module_utils of the user's may stand before Ansible's.

Shared packages have their files compiled, too. Where the host has our version of Python, as hosts of our templates
have, a module costs it 0.11 s in place of 0.18 s; another version ignores what is compiled and reads the source.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import importlib.util
import inspect
import io
import marshal
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PYTHON_OF_HOSTS = (3, 11)
"""Of Debian 12, which the templates are made of. Compiled for another version, packages would only be larger."""
_NEVER_CHECKED = 0b01
"""Flag of a compiled file: it is not compared with its source. See PEP 552."""


def share_packed_modules(folder: Path) -> None:
    """Let every fork of this process find in *folder* what others packed, and leave there what it packs.

    Raises:
        Exception: this version of Ansible packs modules in another way; nothing is changed then.
    """
    from ansible.executor import module_common  # type: ignore[import-untyped]

    pack = module_common._find_module_utils
    path_of = inspect.signature(pack)
    if "module_path" not in path_of.parameters:
        raise TypeError("_find_module_utils takes no module_path")
    _packed_here()  # that Ansible has such a place is known before the first playbook
    _home()  # once, for all forks
    folder.mkdir(mode=0o700)

    @functools.wraps(pack)
    def packed(*args: Any, **kwargs: Any) -> Any:
        name = None
        with contextlib.suppress(Exception):
            name = _shareable(path_of.bind(*args, **kwargs).arguments["module_path"])
        if name is None:
            return pack(*args, **kwargs)
        local = _packed_here()
        with contextlib.suppress(Exception):
            _bring(folder, local, name, _link)
        result = pack(*args, **kwargs)
        with contextlib.suppress(Exception):
            _bring(local, folder, name, _copy)
        return result

    module_common._find_module_utils = packed


def _shareable(module_path: str) -> str | None:
    """Return the name by which Ansible keeps the package of one of its own modules; None for others."""
    from ansible.plugins.loader import module_utils_loader  # type: ignore[import-untyped]

    home = _home()
    module = Path(module_path).resolve()
    if module.parent != home / "modules":
        return None
    for path in module_utils_loader._get_paths(subdirs=False):
        if os.path.isdir(path) and Path(path).resolve() != home / "module_utils":  # noqa: PTH112 - Ansible gives text
            return None
    return f"ansible.modules.{module.stem}"


@functools.cache
def _home() -> Path:
    import ansible  # type: ignore[import-untyped]

    return Path(ansible.__file__).resolve().parent


def _packed_here() -> Path:
    from ansible import constants

    return Path(constants.DEFAULT_LOCAL_TMP) / "ansiballz_cache"


def _packages(folder: Path, name: str) -> Iterator[Path]:
    for path in folder.glob(f"{name}-*"):
        if not path.is_symlink() and not path.name.endswith((".lock", "-part")):
            yield path


def _bring(source: Path, target: Path, name: str, make: Callable[[Path, Path], None]) -> None:
    """Have all packages of *name* that *source* has in *target* too, as *make* makes them."""
    for package in _packages(source, name):
        there = target / package.name
        if not there.exists():
            target.mkdir(exist_ok=True)
            make(package, there)


def _link(package: Path, there: Path) -> None:
    with contextlib.suppress(FileExistsError):  # another worker was faster
        there.symlink_to(package)


def _copy(package: Path, there: Path) -> None:
    part = there.with_name(f".{there.name}.{os.getpid()}")
    try:
        _copy_compiled(package, part)
    except Exception:  # noqa: BLE001 - another version of Ansible keeps them in another form
        shutil.copyfile(package, part)
    part.replace(there)


def _copy_compiled(package: Path, to: Path) -> None:
    """Copy a package and add a compiled file beside each source.

    Raises:
        Exception: it has another form; *to* may not be used.
    """
    from ansible.executor.module_common import _CachedModule  # type: ignore[import-untyped]

    kept = _CachedModule.load(os.fspath(package))
    if sys.version_info[:2] == _PYTHON_OF_HOSTS:
        kept = dataclasses.replace(kept, zip_data=base64.b64encode(compiled(base64.b64decode(kept.zip_data))))
    kept.dump(os.fspath(to))


def compiled(archive: bytes) -> bytes:
    """Return the ZIP file *archive* with a ``.pyc`` before each ``.py``, as zipimport looks for them."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as sources,
        zipfile.ZipFile(made, "w", compression=zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in sources.infolist():
            source = sources.read(entry)
            if entry.filename.endswith(".py"):
                code = compile(source, entry.filename, "exec", dont_inherit=True)
                head = importlib.util.MAGIC_NUMBER + _NEVER_CHECKED.to_bytes(4, "little")
                name = zipfile.ZipInfo(f"{entry.filename}c", entry.date_time)
                name.compress_type = zipfile.ZIP_DEFLATED
                target.writestr(name, head + importlib.util.source_hash(source) + marshal.dumps(code))
            target.writestr(entry, source)
    return made.getvalue()
