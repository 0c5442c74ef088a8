"""The part of the language of yq that ``--set`` is used with here: ``.a.b = JSON``, joined by `` | ``."""

from __future__ import annotations

import json
import re
from typing import Any

from fake_limactl.log import refuse

_STEP = re.compile(r"((?:\.[A-Za-z]+)+) = (.+)")


def apply(expression: str, table: dict[str, Any]) -> None:
    for step in expression.split(" | "):
        match = _STEP.fullmatch(step)
        if match is None:
            refuse(f"the fake's yq does not know {step!r}")
        *path, last = match[1][1:].split(".")
        place = table
        for name in path:
            place = place.setdefault(name, {})
        place[last] = json.loads(match[2])
