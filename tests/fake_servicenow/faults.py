"""Answers that are not well, on demand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass
class Fault:
    """What happens to the next *times* requests that match.

    *status* 0: none of its own. *after*: the request is carried out first, and its answer is what gets lost. *cut*:
    the connection ends in the middle of the answer.
    """

    method: str = ".*"
    path: str = ".*"
    status: int = 0
    retry_after: str | None = None
    delay: float = 0.0
    times: int = 1
    after: bool = False
    cut: bool = False
    body: str | None = None

    def matches(self, method: str, path: str) -> bool:
        return bool(self.times and re.fullmatch(self.method, method) and re.search(self.path, path))


def parse(faults: list[dict[str, Any]]) -> list[Fault]:
    return [Fault(**fault) for fault in faults]
