"""What changed between two states of the hosts, and what of it nobody allowed. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from pytest_2501bench.host_state.model import KINDS, Change, HostState, fields, joined

_ONLY_CHANGED = frozenset({"sysctl"})  # modules and interfaces bring theirs with them, and take them away


def changes(before: Mapping[str, HostState], after: Mapping[str, HostState]) -> tuple[Change, ...]:
    """Return what differs on the hosts that are in both, by host, kind and name.

    Both must have been taken by the same process, see :class:`~pytest_2501bench.host_state.model.HostState`.
    """
    found: list[Change] = []
    for host, old in before.items():
        if (new := after.get(host)) is None:
            continue
        for kind in KINDS:
            was, now = old.entries.get(kind, {}), new.entries.get(kind, {})
            names = was.keys() & now.keys() if kind in _ONLY_CHANGED else was.keys() | now.keys()
            for name in sorted(names):
                first, second = was.get(name), now.get(name)
                if first != second:
                    found.append(_change(host, kind, name, first, second))
    return tuple(found)


def put_back(found: Iterable[Change], healthy: Mapping[str, HostState], after: Mapping[str, HostState]) -> set[Change]:
    """Return those of *found* that are *after* as they were when the host was *healthy*: they undo the incident."""
    undone = set()
    for change in found:
        if (reference := healthy.get(change.host)) is None:
            continue
        was = reference.entries.get(change.kind, {}).get(change.name)
        if was == after[change.host].entries.get(change.kind, {}).get(change.name):
            undone.add(change)
    return undone


def unexpected(found: Iterable[Change], allowed: Sequence[str]) -> tuple[Change, ...]:
    """Return those of *found* that no entry of *allowed* covers.

    An entry is ``KIND:GLOB`` and holds on every host. In the glob ``*`` stands for any text, slashes too, ``?`` for
    one character and ``[ab]`` for one of several. ``X/*`` covers ``X`` itself too, because what brings files into a new
    folder brings the folder. A name as it stands in a change is covered by itself, whatever characters it has.
    """
    return tuple(change for change in found if not any(covers(entry, change) for entry in allowed))


def covers(entry: str, change: Change) -> bool:
    """Say whether ``KIND:GLOB`` allows *change*."""
    kind, _, glob = entry.partition(":")
    if kind != change.kind:
        return False
    name = change.name
    return name == glob or fnmatchcase(name, glob) or (glob.endswith("/*") and fnmatchcase(name, glob[:-2]))


def _change(host: str, kind: str, name: str, before: str | None, after: str | None) -> Change:
    """Tell only what differs, and of contents only that they do: a digest does not leave the process."""
    if before is None or after is None:
        return Change(host=host, kind=kind, name=name, before=_told(before), after=_told(after))
    old, new = fields(before), fields(after)
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    sides = []
    for own, word in ((old, "old"), (new, "new")):
        sides.append(joined({name: word if _secret(name, old, new) else own.get(name, "none") for name in names}))
    return Change(host=host, kind=kind, name=name, before=sides[0], after=sides[1])


def _secret(name: str, *sides: Mapping[str, str]) -> bool:
    return any(side.get(name, "").startswith("#") for side in sides)


def _told(fingerprint: str | None) -> str | None:
    if fingerprint is None:
        return None
    return joined({name: value for name, value in fields(fingerprint).items() if not value.startswith("#")})
