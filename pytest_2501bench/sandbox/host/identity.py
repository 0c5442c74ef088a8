"""Which registered host a scenario means, and the id of one that has none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.scenario.problems import nearest
from pytest_2501bench.store.model import RegisteredHost

HOST_ID: Final = re.compile(r"hst_[A-Za-z0-9_-]+")
_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"


def stable_id(org_id: str | None, host_name: str) -> str:
    """Return the id of a host without one: the same for the same name in the same organization, on every machine."""
    number = int.from_bytes(hashlib.sha256(f"{org_id or ''}/{host_name}".encode()).digest())
    letters = []
    for _ in range(12):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "hst_" + "".join(letters)


def find_host(word: str, hosts: Sequence[RegisteredHost]) -> RegisteredHost | str:
    """Return the host whose id or name is *word*; else why there is none, with near names, in one line."""
    for host in hosts:
        if host.host_id == word:
            return host
    named = [host for host in hosts if host.host_name == word]
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(host.host_id for host in named)
        return f"{len(named)} registered hosts are called {word!r}: {ids}. Refer to one by its host_id."
    if not hosts:
        return f"no host {word!r} is registered, nor any other: `2501bench hosts add`, or --hosts INVENTORY."
    near = nearest(word, [name for host in hosts for name in (host.host_id, host.host_name)])
    if near:
        return f"no host {word!r} is registered. Did you mean {' or '.join(repr(hit) for hit in near[:2])}?"
    known = [f"{host.host_name} ({host.host_id})" for host in hosts[:5]]
    return f"no host {word!r} is registered. There are: {', '.join(known)}{', …' if len(hosts) > 5 else '.'}"


def resolve(specs: Sequence[HostSpec], hosts: Sequence[RegisteredHost]) -> list[RegisteredHost]:
    """Return the registered host of each spec: by its ``host_id``, or if it has none by its name.

    Raises:
        BenchError: ``sandbox_not_created``: one is not registered, or two specs mean the same host.
    """
    found = []
    for spec in specs:
        host = find_host(spec.host_id or spec.host_name, hosts)
        if isinstance(host, str):
            raise BenchError(Cause.SANDBOX_NOT_CREATED, host)
        if host in found:
            raise BenchError(
                Cause.SANDBOX_NOT_CREATED, f"the scenario names host {host.host_name} ({host.host_id}) twice."
            )
        found.append(host)
    return found
