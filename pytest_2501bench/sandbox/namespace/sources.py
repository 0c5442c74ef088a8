"""From where Debian packages come: the machine's own Debian sources if it has any, else mmdebstrap's default."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.sandbox.templates import SUITE

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_FIELDS = ("REPO_URI", "RELEASE", "COMPONENT", "ORIGIN")
_POCKETS = ("", "-updates", "-security")
_PROXY = re.compile(r'^(Acquire::(?:http|https|ftp)::(?:Proxy(?:::[\w.-]+)?|Proxy-Auto-Detect)) "([^"\s]+)";$')


@dataclass(frozen=True, slots=True)
class Target:
    """One index that apt knows: where, which release, which component, and whose it says it is."""

    uri: str
    release: str
    component: str
    origin: str


def _debian(target: Target) -> bool:
    """Tell Debian's own archive (or a mirror of it) from third parties, which often use the same suite names."""
    if target.component != "main":
        return False
    if target.origin and not target.origin.startswith("$("):
        return target.origin == "Debian"
    # Lists not fetched yet: mirrors keep the name of the archive's folder.
    return target.uri.rstrip("/").rsplit("/", 1)[-1] in ("debian", "debian-security")


def source_lines(targets: Iterable[Target]) -> list[str]:
    """Return sources.list lines for Debian 12 from what apt knows; empty if the machine has no Debian archive.

    A machine with another Debian release lends its mirror: the pockets (base, -updates, -security) are carried over.
    """
    lines: dict[str, None] = {}
    for target in targets:
        if not _debian(target):
            continue
        pocket = next((p for p in _POCKETS[1:] if target.release.endswith(p)), "")
        if not pocket and "-" in target.release:
            continue  # backports and proposed updates are not Debian 12
        lines[f"deb [signed-by={KEYRING}] {target.uri.rstrip('/')} {SUITE}{pocket} main"] = None
    pockets = {line.split()[3] for line in lines}
    return list(lines) if SUITE in pockets else []


def apt_targets() -> list[Target]:
    """Ask apt for the machine's own package sources; empty where there is no apt."""
    if shutil.which("apt-get") is None:
        return []
    form = "|".join(f"$({name})" for name in _FIELDS)
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    rows = (line.split("|") for line in done.stdout.splitlines())
    return [Target(*row) for row in rows if len(row) == len(_FIELDS)]


def sources(mirror: str | None) -> list[str]:
    """Return sources.list lines: for *mirror* if given, else the machine's, else none (mmdebstrap has a default)."""
    if mirror:
        return [f"deb [signed-by={KEYRING}] {mirror.rstrip('/')} {SUITE} main"]
    return source_lines(apt_targets())


def apt_options() -> list[str]:
    """Return the options with which apt elsewhere goes the same way to its mirror as this machine's apt."""
    if shutil.which("apt-config") is None:
        return []
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False, timeout=60).stdout
    found = (_PROXY.match(line) for line in dump.splitlines())
    return [f"{match[1]}={match[2]}" for match in found if match]


def proxy_environment() -> dict[str, str]:
    """Return the variables by which this session reaches the network; nothing else of it enters a build."""
    names = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {name: os.environ[name] for name in names if name in os.environ}


def ca_file() -> Path | None:
    """Return the machine's bundle of certificate authorities."""
    path = Path("/etc/ssl/certs/ca-certificates.crt")
    return path if path.is_file() else None
