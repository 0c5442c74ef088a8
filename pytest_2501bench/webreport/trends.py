"""Counted runs as lines over time, broken where the instrument changed; from groups, not from single runs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from pytest_2501bench.analysis.instrument import SUBJECT, differences
from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.analysis.trend import Line, Point, Segment
from pytest_2501bench.statistics.proportion import Counts

if TYPE_CHECKING:
    from pytest_2501bench.store.aggregate import Group

VersionKeys = Mapping[str, Mapping[str, str]]
_K = TypeVar("_K")


def scenario_lines(groups: Iterable[Group], keys: VersionKeys, what: What) -> dict[tuple[str, str], Line]:
    """Return (scenario, subject) → its line."""
    found = {}
    for (key, subject), own in _by(groups, lambda group: (group.key, group.subject)).items():
        found[key, subject] = Line(key, subject, _segments([[group] for group in own], keys, what))
    return found


def subject_lines(groups: Iterable[Group], keys: VersionKeys, what: What) -> dict[str, Line]:
    """Return subject → its line over all scenarios; it breaks when other scenarios, or other versions, were run."""
    return {
        subject: Line("", subject, _segments(list(_by(own, lambda group: group.benchmark_id).values()), keys, what))
        for subject, own in _by(groups, lambda group: group.subject).items()
    }


def total(groups: Iterable[Group], what: What) -> Counts:
    """Add up the counts of *groups*."""
    passed = scored = lost = 0
    for group in groups:
        passed += group.passed[what]
        scored += group.runs - group.lost[what]
        lost += group.lost[what]
    return Counts(passed, scored, lost)


def _by(groups: Iterable[Group], place: Callable[[Group], _K]) -> dict[_K, list[Group]]:
    found: dict[_K, list[Group]] = {}
    for group in groups:
        found.setdefault(place(group), []).append(group)
    return found


def _segments(benchmarks: Sequence[Sequence[Group]], keys: VersionKeys, what: What) -> tuple[Segment, ...]:
    found: list[tuple[tuple[str, ...], list[Point]]] = []
    former: dict[str, str] | None = None
    for own in benchmarks:
        now = {group.key: group.version_digest for group in own}
        changed = () if former is None else _changes(former, now, keys)
        point = Point(own[0].benchmark_id, min(group.started_at for group in own), total(own, what))
        if former is None or changed:
            found.append((changed, []))
        found[-1][1].append(point)
        former = now
    return tuple(Segment(changed, tuple(points)) for changed, points in found)


def _changes(former: Mapping[str, str], now: Mapping[str, str], keys: VersionKeys) -> tuple[str, ...]:
    """Say what differs between benchmarks, each given as scenario key → version digest."""
    if former == now:
        return ()
    if former.keys() != now.keys():
        return ("choice of scenarios",)
    pairs = {(former[key], digest) for key, digest in now.items() if former[key] != digest}
    return tuple(dict.fromkeys(name for pair in sorted(pairs) for name in _differences(*pair, keys)))


def _differences(one: str, other: str, keys: VersionKeys) -> tuple[str, ...]:
    instruments = [
        {name: value for name, value in keys.get(digest, {"version": digest}).items() if name not in SUBJECT}
        for digest in (one, other)
    ]
    return differences(instruments)
