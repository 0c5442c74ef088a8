"""Where instances are made: this machine's daemon, or a remote of the user's ``incus`` program, and which member."""

from __future__ import annotations

import difflib
import os
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from pytest_2501bench.errors import BenchError, Cause

LOCAL = "local"
_GLOBAL = Path("/etc/incus")


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and what of it is meant."""

    remote: str = LOCAL
    target: str | None = None  # a cluster member, or @group
    project: str = "default"
    address: str = ""  # https://HOST:PORT, or empty
    socket: Path | None = None  # of a daemon on this machine
    config_dir: Path = Path()

    def __str__(self) -> str:
        """Return it as ``--incus-remote`` takes it."""
        return f"{self.remote}:{self.target}" if self.target else self.remote

    def tls(self) -> ssl.SSLContext:
        """Return how to prove who we are and who the server is, with what `incus remote add` has stored.

        Raises:
            OSError: the client's certificate cannot be read.
        """
        places = [root / "servercerts" / f"{self.remote}.crt" for root in (self.config_dir, _GLOBAL)]
        pinned = next((path for path in places if path.is_file()), None)
        context = ssl.create_default_context(cafile=str(pinned) if pinned else None)
        if pinned:
            # The very certificate that the user accepted: what name it carries says nothing more.
            context.check_hostname = False
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.load_cert_chain(self.config_dir / "client.crt", self.config_dir / "client.key")
        return context


def _config_dir() -> Path:
    configured = os.environ.get("INCUS_CONF")
    return Path(configured).expanduser().absolute() if configured else Path("~/.config/incus").expanduser()


def _local_socket() -> Path:
    if os.environ.get("INCUS_SOCKET"):
        return Path(os.environ["INCUS_SOCKET"]).absolute()
    if os.environ.get("INCUS_DIR"):
        return Path(os.environ["INCUS_DIR"]).absolute() / "unix.socket"
    running = Path("/run/incus/unix.socket")
    return running if running.exists() else Path("/var/lib/incus/unix.socket")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise BenchError(Cause.OPTION_INVALID, f"{path}: not readable: {exc}") from None
    remotes = read.get("remotes") if isinstance(read, dict) else None
    return dict(remotes) if isinstance(remotes, dict) else {}


def place_of(text: str | None) -> Place:
    """Return the place that ``--incus-remote`` *text* means; None is the local daemon.

    Raises:
        BenchError: ``option_invalid``; there is no such remote, or it cannot hold instances.
    """
    name, _, target = (text or LOCAL).partition(":")
    name = name or LOCAL
    directory = _config_dir()
    remotes = {**_read(_GLOBAL / "config.yml"), **_read(directory / "config.yml")}
    row = remotes.get(name, {})
    project = os.environ.get("INCUS_PROJECT") or str(row.get("project") or "default")
    place = Place(name, target or None, project, config_dir=directory)
    if name == LOCAL:
        return replace(place, socket=_local_socket())
    if not row:
        near = difflib.get_close_matches(name, remotes, 1)
        hint = f"Did you mean {near[0]!r}?" if near else "`incus remote list` shows those there are."
        raise BenchError(Cause.OPTION_INVALID, f"--incus-remote {name}: no such remote. {hint}")
    if str(row.get("protocol") or "incus") != "incus" or row.get("public"):
        raise BenchError(Cause.OPTION_INVALID, f"--incus-remote {name}: serves images only, no instances.")
    address = str(row.get("addr") or "")
    parts = urlsplit(address)
    if parts.scheme == "unix":
        return replace(place, socket=Path(parts.path) if parts.path else _local_socket())
    if parts.scheme != "https":
        raise BenchError(Cause.OPTION_INVALID, f"--incus-remote {name}: {address!r} is no https or unix address.")
    if row.get("auth_type") not in (None, "", "tls"):
        raise BenchError(
            Cause.OPTION_INVALID,
            f"--incus-remote {name}: it signs in with {row['auth_type']}; only TLS certificates are supported.",
            remedy=f"Add it again with `incus remote add {name} {address} --auth-type=tls`.",
        )
    return replace(place, address=address.rstrip("/"))
