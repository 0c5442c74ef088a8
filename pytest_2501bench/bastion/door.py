"""Where the bastion listens for one host."""

from __future__ import annotations

from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Door:
    """Where the recorder listens for one host."""

    host_name: str
    user: str
    port: int
    host_key: str  # public, as in known_hosts
    address: str = LOOPBACK
