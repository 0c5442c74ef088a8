"""Identifiers of the contract's form: ``hst_…``, ``agt_…``."""

from __future__ import annotations

import secrets
from typing import Literal

Prefix = Literal["org", "ten", "usr", "hst", "agt", "tkt", "job", "tsk", "bmk", "run", "sbx", "rul", "prt"]

# Lower case, no vowels and no look-alikes: never a word, safe as a host name and as a file name on any system.
_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"


def new_id(prefix: Prefix) -> str:
    """Return a new random identifier, e.g. ``hst_7kq2mv9x4tzn`` (12 characters, about 57 bits)."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(12))
