"""Lets a sandbox go by hand: the command that messages name. ``python -m pool_mode MACHINES STATE NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from pool_mode.provider import PoolProvider
from pytest_2501bench.sandbox.protocol import Sandbox

machines, state, name = sys.argv[1:]
PoolProvider(Path(machines), Path(state)).destroy(Sandbox(name, ()))
