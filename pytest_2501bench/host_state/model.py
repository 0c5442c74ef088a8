"""What was on a host at one moment, and what changed between two; frozen and safe for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pytest_2501bench.evidence.record import Record

KINDS: Final = ("package", "unit", "listener", "user", "group", "mount", "cron", "firewall", "sysctl", "file")
"""What is looked at, in the order in which changes are shown. The words of ``bench.allowed_changes``."""

SHOWN = 160  # characters of one side of a change, in a line for people


class HostState(Record):
    """One host at one moment.

    Fingerprints are fields, ``mode 0644; owner root:root; content #5f3a…``. Values with ``#`` are digests under a key
    that only the process has that took the state: two states can be compared when the same process took them, and no
    secret can be guessed from one. They do not belong into evidence; changes have none.

    Attributes:
        entries: kind → name → fingerprint.
        whole: False if there are more files than are looked at; then two states cannot be told apart.
        notes: what could not be seen, a line each.
    """

    host_name: str
    entries: Mapping[str, Mapping[str, str]]
    whole: bool = True
    notes: tuple[str, ...] = ()


class Change(Record):
    """One thing that is not as it was.

    ``before`` and ``after`` hold what differs, as fields: ``mode 0644; content old`` and ``mode 0777; content new``.
    ``None``: it was, or is, not there; the other side then tells what it is.
    """

    host: str  # host_name
    kind: str
    name: str
    before: str | None
    after: str | None

    @property
    def what(self) -> str:
        """``KIND:NAME``, as ``bench.allowed_changes`` would allow it."""
        return f"{self.kind}:{self.name}"

    def __str__(self) -> str:
        head = f"{self.host} {self.what}"
        if self.before is None or self.after is None:
            told = _shown((self.after if self.before is None else self.before) or "")
            return f"{head} {'added' if self.before is None else 'removed'}" + (f": {told}" if told else "")
        return f"{head} changed: {'; '.join(self._differences(self.before, self.after))}"

    @staticmethod
    def _differences(before: str, after: str) -> Iterator[str]:
        old, new = fields(before), fields(after)
        for name in dict.fromkeys((*old, *new)):
            was, now = old.get(name, "none"), new.get(name, "none")
            if (was, now) == ("old", "new"):
                yield name
            elif name == "rules":
                yield _rules(was.split(" | "), now.split(" | "))
            else:
                yield f"{name} {_shown(was)} → {_shown(now)}"


def fields(fingerprint: str) -> dict[str, str]:
    """Return the fields of a fingerprint, or of one side of a change."""
    pairs = (part.partition(" ") for part in fingerprint.split("; ") if part)
    return {name: value.replace("%3B", ";").replace("%0A", "\n").replace("%25", "%") for name, _, value in pairs}


def joined(pairs: Mapping[str, str]) -> str:
    """Return the fingerprint of fields; the reverse of :func:`fields`."""
    return "; ".join(
        f"{name} {value.replace('%', '%25').replace(';', '%3B').replace(chr(10), '%0A')}".rstrip()
        for name, value in pairs.items()
    )


def _shown(text: str) -> str:
    text = text.replace("%3B", ";").replace("%0A", " ").replace("%25", "%").replace("\n", " ")
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _rules(before: list[str], after: list[str]) -> str:
    gone = [f"- {rule}" for rule in before if rule not in after]
    come = [f"+ {rule}" for rule in after if rule not in before]
    return "rules " + (_shown(", ".join(gone + come)) if gone or come else "in another order")
