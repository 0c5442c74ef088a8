"""The machines of the pool, from a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause


@dataclass(frozen=True)
class Machine:
    """One ``[[machine]]`` of the file."""

    id: str  # what a scenario calls "host_id"
    user: str
    key: Path  # private key to log in with
    host_key: str  # "ssh-ed25519 AAAA…": we log in to this very machine or not at all
    address: str = "127.0.0.1"
    port: int = 22
    proxy_command: str | None = None
    template: str = "debian-base"  # which template it is like
    systemd: bool = True


def read_machines(path: Path) -> list[Machine]:
    """Read the file.

    Raises:
        BenchError: ``option_invalid``, in one line; a user's mistake is never a traceback.
    """
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["machine"]
        return [Machine(**{**row, "key": path.parent / row["key"]}) for row in rows]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as exc:
        raise BenchError(Cause.OPTION_INVALID, f"POOL_MACHINES {path}: not a list of machines: {exc}") from None
