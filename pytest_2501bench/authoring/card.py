"""What is said of a scenario in lists: its place in the taxonomy and what it needs; nothing of its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.scenario.model import BlastRadius, Difficulty, Kind, LoadedScenario
from pytest_2501bench.scenario.problems import suggestion
from pytest_2501bench.scenario.resolve import host_specs, required_capabilities


@dataclass(frozen=True, slots=True)
class CardHost:
    """A host as a mode with fresh hosts makes it; one that is only a ``host_id`` goes by that."""

    host_name: str
    template: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardSource:
    """Where the incident or its remedy is described."""

    title: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """One scenario; ``2501bench list --json`` prints these fields, in this order.

    Attributes:
        category: the name of the folder that the scenario's own is in.
        folder: the scenario's own, as it was found.
        needs: capabilities that a mode must have, also those that follow from hosts and templates.
        cheats: names of the wrong fixes (``cheat-NAME.yml``).
        alternatives: names of the other good fixes (``alt-NAME.yml``).
    """

    key: str
    title: str
    category: str
    folder: str
    kind: str
    difficulty: str | None
    skills: tuple[str, ...]
    blast_radius: str | None
    expected_minutes: float | None
    hosts: tuple[CardHost, ...]
    needs: tuple[str, ...]
    tags: tuple[str, ...]
    sources: tuple[CardSource, ...]
    cheats: tuple[str, ...]
    alternatives: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the fields as JSON takes them."""
        return asdict(self)


def card_of(loaded: LoadedScenario, root: Path | None = None) -> Card:
    """Return the card of *loaded*; its folder relative to *root* if it is below it."""
    scenario, bench = loaded.scenario, loaded.scenario.bench
    folder = loaded.directory.absolute()
    shown = folder.relative_to(root) if root is not None and folder.is_relative_to(root) else folder
    return Card(
        key=scenario.key,
        title=scenario.title,
        category=folder.parent.name,
        folder=shown.as_posix(),
        kind=bench.kind.value,
        difficulty=bench.difficulty and bench.difficulty.value,
        skills=bench.skills,
        blast_radius=bench.blast_radius and bench.blast_radius.value,
        expected_minutes=bench.expected_minutes,
        hosts=tuple(CardHost(spec.host_name, spec.template, spec.packages) for spec in host_specs(loaded, True)),
        needs=required_capabilities(loaded),
        tags=scenario.tags,
        sources=tuple(CardSource(source.title, source.url) for source in bench.sources),
        cheats=tuple(loaded.repairs("cheat")),
        alternatives=tuple(loaded.repairs("alt")),
    )


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing that lists are filtered by.

    Attributes:
        option: as it is written.
        of: a card's words for it.
        always: words that are right even if no scenario has them.
    """

    option: str
    of: Callable[[Card], Sequence[str]]
    always: tuple[str, ...] = ()


def _maybe(word: str | None) -> tuple[str, ...]:
    return () if word is None else (word,)


FACETS: Final[dict[str, Facet]] = {
    "tag": Facet("--tag", lambda card: card.tags),
    "kind": Facet("--kind", lambda card: (card.kind,), tuple(Kind)),
    "difficulty": Facet("--difficulty", lambda card: _maybe(card.difficulty), tuple(Difficulty)),
    "skill": Facet("--skill", lambda card: card.skills),
    "blast_radius": Facet("--blast-radius", lambda card: _maybe(card.blast_radius), tuple(BlastRadius)),
    "category": Facet("--category", lambda card: (card.category,)),
}


def matching(cards: Sequence[Card], wanted: Mapping[str, Sequence[str]]) -> list[Card]:
    """Return the cards that have, for each facet of *wanted*, one of its words.

    Raises:
        BenchError: ``option_invalid``: words that no scenario has, one line each.
    """
    unknown = []
    for name, words in wanted.items():
        facet = FACETS[name]
        known = _known(facet, cards)
        unknown += [
            f"{facet.option}: '{word}' is nowhere here. {suggestion(word, known, noun='There are')}".rstrip()
            for word in words
            if word not in known
        ]
    if unknown:
        raise BenchError(Cause.OPTION_INVALID, "\n".join(unknown))
    return [
        card
        for card in cards
        if all(not words or set(words) & set(FACETS[name].of(card)) for name, words in wanted.items())
    ]


def _known(facet: Facet, cards: Iterable[Card]) -> list[str]:
    return list(dict.fromkeys([*facet.always, *sorted({word for card in cards for word in facet.of(card)})]))
