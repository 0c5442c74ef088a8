"""Every shipped scenario says where it belongs, and the catalogue page says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.pages import ROOT

from pytest_2501bench.authoring.card import Card, card_of
from pytest_2501bench.authoring.catalogue import page
from pytest_2501bench.scenario.load import find_scenarios, load_scenario

FILES = find_scenarios(ROOT / "scenarios")
MOST_MINUTES = {"easy": 20, "medium": 45, "hard": 120}


def card(file: Path) -> Card:
    return card_of(load_scenario(file), ROOT)


@pytest.fixture(params=FILES, ids=[file.parent.relative_to(ROOT / "scenarios").as_posix() for file in FILES])
def shipped(request: pytest.FixtureRequest) -> Card:
    return card(request.param)


def test_nothing_is_left_open(shipped: Card) -> None:
    said = (shipped.difficulty, shipped.skills, shipped.blast_radius, shipped.expected_minutes, shipped.sources)
    assert all(said), said


def test_words_can_be_filtered_by_and_times_go_with_the_difficulty(shipped: Card) -> None:
    for word in (*shipped.skills, *shipped.tags):
        assert re.fullmatch(r"[a-z0-9]+(?:[-.+/ ][a-z0-9]+)*", word), word  # no comma, no capital
    assert shipped.kind not in shipped.tags
    assert shipped.difficulty not in shipped.tags
    assert shipped.expected_minutes is not None
    assert shipped.expected_minutes <= MOST_MINUTES[shipped.difficulty or "hard"]


def test_sources_can_be_opened_by_a_reader(shipped: Card) -> None:
    assert any(source.url for source in shipped.sources), shipped.sources


def test_keys_follow_the_folders(shipped: Card) -> None:
    assert shipped.key == f"{shipped.category}-{Path(shipped.folder).name}"


def test_the_catalogue_page_is_made_of_them() -> None:
    made = page([card_of(load_scenario(file)) for file in FILES], base=ROOT / "docs")
    assert (ROOT / "docs/catalogue.md").read_text(encoding="utf-8") == made, (
        "2501bench list --catalogue docs/catalogue.md"
    )
