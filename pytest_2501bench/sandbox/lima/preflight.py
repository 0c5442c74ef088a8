"""What stands in the way of the mode on this machine, and what its hosts can do."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_2501bench.sandbox.lima import guest
from pytest_2501bench.sandbox.lima.limactl import (
    AS_ROOT,
    Limactl,
    LimactlError,
    environment,
    last_word,
    lima_home,
    longest_name,
)
from pytest_2501bench.sandbox.lima.versions import OLDEST, parse
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES, Capabilities, Obstacle
from pytest_2501bench.sandbox.templates import Template, unknown_template

_PROCESSORS = ("x86_64", "aarch64", "arm64")
_LEAST_GB = 3
_UNNUMBERED = "limactl version "  # of a build between two releases
_LONGEST = max(len("template-debian-localstack.00000000"), len("sbx-000000000000-00"))


def obstacles(limactl: Limactl) -> list[Obstacle]:
    """Return everything in the way, each with what to do about it. Asks limactl itself; creates nothing."""
    missing = guest.missing_programs()
    found = [Obstacle(f"{', '.join(missing)} missing", "Install OpenSSH's client.")] if missing else []
    if limactl.program is None:
        how = "Run `brew install lima`" if sys.platform == "darwin" else "Install it from https://lima-vm.io"
        return [*found, Obstacle("limactl is missing", f"{how}; version 1.0 or newer.")]
    try:
        said = limactl.version_output()
        version = parse(said)
        if version is None:
            return [*found, _silent(last_word(said))]
        if version < OLDEST:
            return [*found, Obstacle(f"limactl {version[0]}.{version[1]} is too old", "Lima 1.0 or newer is needed.")]
        # By a name that does not exist: what matters is whether limactl works here at all.
        limactl.inspect(["sbx-none"])
    except LimactlError as error:
        return [*found, _silent(str(error))]
    return [*found, *_machine()]


def _silent(said: str) -> Obstacle:
    if AS_ROOT in said:
        return Obstacle("limactl refuses to run as root", "Run as an ordinary user.")
    if "rosetta" in said or "Exec format error" in said or "Bad CPU type" in said:
        return Obstacle(
            f"limactl is made for another kind of processor: {said}", f"Install the one for {platform.machine()}."
        )
    if _UNNUMBERED in said:
        return Obstacle(f"{said} tells no number", "Install a release of Lima, 1.0 or newer.")
    return Obstacle(f"limactl does not work here: {said}", "See `limactl list`.")


def _machine() -> list[Obstacle]:
    found = []
    if platform.machine() not in _PROCESSORS:
        found.append(
            Obstacle(
                f"Lima has no Debian image for {platform.machine()}",
                "Use a machine with x86_64 or arm64, or another --mode.",
            )
        )
    if longest_name(lima_home()) < _LONGEST:
        found.append(
            Obstacle(
                f"the path {lima_home()} is too long for the sockets of Lima's instances",
                "Set LIMA_HOME to a shorter one.",
            )
        )
    free = _free_gb(lima_home())
    if free < _LEAST_GB:
        found.append(
            Obstacle(
                f"only {free:.1f} GB free in {lima_home()}; a template needs some {_LEAST_GB} GB",
                "Make room, or set LIMA_HOME to a directory where there is.",
            )
        )
    if sys.platform == "linux":
        programs = [f"qemu-system-{platform.machine()}", "qemu-img"]
        lacking = [name for name in programs if shutil.which(name, path=environment()["PATH"]) is None]
        if lacking:
            found.append(
                Obstacle(f"{', '.join(lacking)} missing", "Install QEMU: `apt-get install qemu-system qemu-utils`.")
            )
    return found


def _free_gb(directory: Path) -> float:
    there = next(path for path in (directory, *directory.parents) if path.exists())
    return shutil.disk_usage(there).free / 1e9


def capabilities(templates: Mapping[str, Template], name: str) -> Capabilities:
    """Say what hosts made from template *name* can do."""
    template = templates.get(name)
    if template is None:
        return Capabilities(frozenset(), dict.fromkeys(KNOWN_CAPABILITIES, unknown_template(name, templates)))
    return Capabilities(KNOWN_CAPABILITIES, ram_gb=template.ram_gb)
