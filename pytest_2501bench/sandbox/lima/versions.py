"""What each version of limactl can do, as far as we care: one table, read from Lima's source (1.0 to 2.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

OLDEST: Final = (1, 0)
_VERSION = re.compile(r"\bversion v?(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Features:
    """How to talk to one version.

    ``clone --start`` (2.0) is left alone on purpose: it fails *after* the copy if another clone is being made at that
    moment (see :data:`.limactl.HALF_MADE`), and could not be repeated then.
    """

    version: tuple[int, int]
    clone: bool  # `limactl clone OLD NEW`; without it, instances are created from a copy of the prepared disk
    template_url: str  # how a template that ships with Lima is named

    @property
    def text(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))


def parse(output: str) -> tuple[int, int] | None:
    """Return major and minor of ``limactl --version``'s output, or None.

    A build between two releases says ``HEAD-abc1234`` or ``1.2.0-12-gabc``; the former tells no number.
    """
    found = _VERSION.search(output)
    return (int(found[1]), int(found[2])) if found else None


def features(version: tuple[int, int]) -> Features:
    """Return what limactl of *version* can do."""
    return Features(
        version=version,
        clone=version >= (1, 2),
        template_url="template:" if version >= (2, 0) else "template://",
    )
