r"""The hash chain over evidence. Pure.

``root = link(link(link(seed, d1), d2), …)`` with ``seed = sha256("pytest-2501bench/audit/v1\n" + name)``, ``dN`` the
sha256 of the N-th entry as canonical JSON, and ``link(previous, digest) = sha256(previous + digest)`` over the raw 32
bytes each. So a changed, missing, added or moved entry gives another root.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from pytest_2501bench.audit.model import FORMAT, BenchmarkAccount, Chain, Link
from pytest_2501bench.evidence.folder import canonical


def make_chain(name: str, links: Iterable[Link]) -> Chain:
    """Return the chain of *links* in their order."""
    links = tuple(links)
    return Chain(name=name, links=links, root=_root(name, (_entry(link) for link in links)))


def root_of(chain: Chain) -> str:
    """Return what the links of *chain* come to, whatever it says itself."""
    return _root(chain.name, (_entry(link) for link in chain.links))


def benchmark_root(account: BenchmarkAccount) -> str:
    """Return the root over a benchmark's own files and its runs."""
    return join(account.benchmark.id, account.files.root, *(run.chain.root for run in account.runs))


def join(name: str, *roots: str) -> str:
    """Return the root over other roots."""
    return _root(name, ({"root": root} for root in roots))


def broken_at(lines: Iterable[bytes]) -> int | None:
    """Return the first event whose successor does not hold its digest; 0: some hold none at all; None: all fit.

    *lines* are those of ``evidence.jsonl``, with their line ends.
    """
    for number, (before, after) in enumerate(pairwise(lines), start=1):
        try:
            held = json.loads(after).get("prev")
        except (ValueError, AttributeError):  # a line that a crash cut off
            return number
        if held is None:
            return 0
        if held != hashlib.sha256(before).hexdigest():
            return number
    return None


def _root(name: str, entries: Iterable[Mapping[str, Any]]) -> str:
    link = hashlib.sha256(f"{FORMAT}\n{name}".encode()).digest()
    for entry in entries:
        link = hashlib.sha256(link + hashlib.sha256(canonical(entry)).digest()).digest()
    return link.hex()


def _entry(link: Link) -> dict[str, Any]:
    # Without blocks: they only help to find the place.
    return {"file": link.file, "event": link.event, "kind": link.kind, "size": link.size, "sha256": link.sha256}
