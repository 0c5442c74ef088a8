"""What Ansible packs for one playbook is there for the next: the forks of a warm server share it.

Imported by :mod:`.warm_server` only, and like it not by pytest: Ansible is under the GNU GPL v3.

To run a module on a host, Ansible parses it and all that it imports, and packs these files: 0.1 to 0.3 s per module and
playbook, nearly half of what a short playbook costs. It keeps the packages in its temporary directory, by the module's
name alone, for as long as one playbook runs. Shared here are those that are the same in every playbook: of Ansible's
own modules, unless module_utils of the user's may stand before Ansible's.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any


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
    folder.mkdir(mode=0o700)

    @functools.wraps(pack)
    def packed(*args: Any, **kwargs: Any) -> Any:
        name, local = None, Path()
        with contextlib.suppress(Exception):
            name = _shareable(path_of.bind(*args, **kwargs).arguments["module_path"])
            local = _packed_here()
            _bring(folder, local, name)
        result = pack(*args, **kwargs)
        if name is not None:
            with contextlib.suppress(Exception):
                _bring(local, folder, name, copy=True)
        return result

    module_common._find_module_utils = packed


def _shareable(module_path: str) -> str | None:
    """Return the name by which Ansible keeps the package of one of its own modules; None for others."""
    import ansible  # type: ignore[import-untyped]
    from ansible.plugins.loader import module_utils_loader  # type: ignore[import-untyped]

    home = Path(ansible.__file__).resolve().parent
    module = Path(module_path).resolve()
    if module.parent != home / "modules":
        return None
    for path in module_utils_loader._get_paths(subdirs=False):
        if os.path.isdir(path) and Path(path).resolve() != home / "module_utils":  # noqa: PTH112 - Ansible gives text
            return None
    return f"ansible.modules.{module.stem}"


def _packed_here() -> Path:
    from ansible import constants

    return Path(constants.DEFAULT_LOCAL_TMP) / "ansiballz_cache"


def _packages(folder: Path, name: str) -> Iterator[Path]:
    for path in folder.glob(f"{name}-*"):
        if not path.is_symlink() and not path.name.endswith((".lock", "-part")):
            yield path


def _bring(source: Path, target: Path, name: str | None, *, copy: bool = False) -> None:
    """Have all packages of *name* that *source* has in *target* too, as links or as copies."""
    if name is None:
        return
    for package in _packages(source, name):
        there = target / package.name
        if there.exists():
            continue
        target.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            if not copy:
                there.symlink_to(package)
                continue
            part = target / f".{package.name}.{os.getpid()}"
            shutil.copyfile(package, part)
            part.replace(there)
