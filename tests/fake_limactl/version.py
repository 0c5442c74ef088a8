"""In what the versions of limactl differ, as far as the fake goes. From Lima's source, tags v1.0.7 to v2.2.0."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    text: str

    @property
    def number(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.text.split("."))

    @property
    def clone(self) -> bool:
        return self.number >= (1, 2)

    @property
    def refuses_root_first(self) -> bool:
        """Since 2.0 the check comes before everything else, also before ``--version``."""
        return self.number >= (2, 0)

    @property
    def panics_as_root(self) -> bool:
        return (2, 0) <= self.number < (2, 1)

    @property
    def quotes_back(self) -> bool:
        """Since 2.1.2 names and paths are quoted with backquotes: Go's ``%#q``."""
        return self.number >= (2, 1, 2)

    @property
    def skips_half_made(self) -> bool:
        """Since 2.2 an instance without lima.yaml is Broken, and does not stand in the way of the others."""
        return self.number >= (2, 2)

    @property
    def errors_are_texts(self) -> bool:
        """Before 2.0 Go's errors became ``{}`` in JSON."""
        return self.number >= (2, 0)


def current() -> Version:
    return Version(os.environ.get("LIMA_FAKE_VERSION", "2.0.3"))
