"""Where an engine reaches the bastion: an address of this machine, and the ports that may be used."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from pytest_2501bench.bastion.door import LOOPBACK

_ADDRESS = r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[^\s:\[\]/]+))"
_FORM = re.compile(_ADDRESS + r"(?::(?P<first>\d{1,5})-(?P<last>\d{1,5}))?$")


@dataclass(frozen=True, slots=True)
class Place:
    """An address to listen on and to tell; *ports* are tried in their order, 0 is any."""

    address: str = LOOPBACK
    ports: tuple[int, ...] = (0,)

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read ``ADDRESS`` or ``ADDRESS:FIRST-LAST``; a version 6 address with ports stands in brackets.

        Raises:
            ValueError: it is neither.
        """
        if text.count(":") > 1 and not text.startswith("["):
            text = f"[{text}]"
        found = _FORM.match(text)
        if found is None:
            raise ValueError("must be ADDRESS or ADDRESS:FIRST-LAST, such as 192.0.2.7:2200-2299")
        address = found["six"] or found["name"]
        if address in {"0.0.0.0", "::", "*"}:  # noqa: S104 - refused
            raise ValueError("must be an address at which the engine reaches this machine, not all of them")
        if found["first"] is None:
            return cls(address)
        first, last = int(found["first"]), int(found["last"])
        if not 1 <= first <= last <= 65_535:
            raise ValueError("must have ports from 1 to 65535, the smaller one first")
        return cls(address, tuple(range(first, last + 1)))

    def obstacle(self) -> str | None:
        """Return why one cannot listen there, or None."""
        try:
            kind, *_, where = socket.getaddrinfo(self.address, 0, type=socket.SOCK_STREAM)[0]
            with socket.socket(kind) as probe:
                probe.bind(where)
        except OSError as error:
            return str(error.strerror or error)
        return None


def on_this_machine(url: str) -> bool:
    """Say whether *url* surely leads to this machine: a loopback address."""
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
