"""Rates by tag, engine, specialty and agent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_2501bench.webreport.rates import rates

if TYPE_CHECKING:
    from pytest_2501bench.report.totals import NamedRate
    from pytest_2501bench.store.aggregate import Group

MOST_PER_KIND: Final = 40


@dataclass(frozen=True, slots=True)
class Slice:
    """The runs that have something in common.

    Attributes:
        kind: ``tag``, ``main engine``, ``secondary engine``, ``specialty`` or ``agent``.
        name: which one.
        scenarios: of how many scenarios these runs are.
        runs: how many.
        rates: pass rate, compliance rate, both gates.
    """

    kind: str
    name: str
    scenarios: int
    runs: int
    rates: tuple[NamedRate, ...]


def slices(groups: Sequence[Group], tags: Mapping[str, Sequence[str]]) -> tuple[Slice, ...]:
    """Return the slices of *groups*, those with most runs first within a kind.

    A kind of which all runs have the same is left out: its rates are those of all runs. A run counts for each of its
    scenario's tags.
    """
    kinds: dict[str, Callable[[Group], Iterable[str | None]]] = {
        "tag": lambda group: tags.get(group.key, ()),
        "main engine": lambda group: (group.main_engine,),
        "secondary engine": lambda group: (group.secondary_engine,),
        "specialty": lambda group: (group.specialty,),
        "agent": lambda group: (group.agent,),
    }
    found: list[Slice] = []
    for kind, names in kinds.items():
        of: dict[str, list[Group]] = {}
        for group in groups:
            for name in names(group):
                of.setdefault(name or "(none)", []).append(group)
        if len(of) < 2:
            continue
        made = [
            Slice(kind, name, len({g.key for g in own}), sum(g.runs for g in own), rates(own))
            for name, own in of.items()
        ]
        found += sorted(made, key=lambda one: (-one.runs, one.name))[:MOST_PER_KIND]
    return tuple(found)
