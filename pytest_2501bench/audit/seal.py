"""A seal over bytes: that they changed, and where. Pure.

The whole has a sha256; each block has the first 6 bytes of its own, which only say where to look.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

_PART = 6


@dataclass(frozen=True, slots=True)
class Seal:
    """Digests of some bytes.

    Attributes:
        size: in bytes.
        sha256: of all of them, hex.
        block: bytes per block.
        blocks: the blocks' shortened digests, one after the other, base64.
    """

    size: int
    sha256: str
    block: int
    blocks: str


def seal(content: bytes, block: int) -> Seal:
    """Return the seal of *content*, with a mark for each *block* bytes."""
    return Seal(len(content), hashlib.sha256(content).hexdigest(), block, block_digests(content, block))


def block_digests(content: bytes, block: int) -> str:
    """Return the shortened digests of the blocks of *content*."""
    return base64.b64encode(b"".join(_short(content, block))).decode()


def changes(content: bytes, size: int, block: int, blocks: str) -> str:
    """Return, in words, where *content* differs from what had these digests; empty if no block does."""
    try:
        raw = base64.b64decode(blocks, validate=True)
    except ValueError:
        return "somewhere (the block digests are damaged too)"
    then = [raw[at : at + _PART] for at in range(0, len(raw), _PART)]
    now = list(_short(content, block))
    differing = [
        number for number in range(max(len(then), len(now))) if then[number : number + 1] != now[number : number + 1]
    ]
    words = []
    if len(content) != size:
        count = abs(len(content) - size)
        unit = "byte" if count == 1 else "bytes"
        words.append(f"{count} {unit} {'added' if len(content) > size else 'missing'}")
    if differing:
        first = differing[0] * block
        last = min(first + block, max(len(content), size)) - 1
        # After an insertion all later blocks differ; then only the first one means something.
        more = f" and {len(differing) - 1} more blocks" if len(differing) > 1 and len(content) == size else ""
        words.append(f"first difference in bytes {first}–{last}{more}")
    return ", ".join(words)


def _short(content: bytes, block: int) -> Iterator[bytes]:
    for at in range(0, len(content), block):
        yield hashlib.sha256(content[at : at + block]).digest()[:_PART]
