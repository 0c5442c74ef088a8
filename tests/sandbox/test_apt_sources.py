"""Which of the machine's package sources are Debian's own."""

from __future__ import annotations

import pytest

from pytest_2501bench.sandbox.namespace.sources import KEYRING, Target, source_lines, sources

MIRROR = "http://mirror.example/debian"
SECURITY = "http://mirror.example/debian-security"
BOOKWORM = [
    Target(f"{MIRROR}/", "bookworm", "main", "Debian"),
    Target(f"{MIRROR}/", "bookworm-updates", "main", "Debian"),
    Target(f"{SECURITY}/", "bookworm-security", "main", "Debian"),
]


def _short(targets: list[Target]) -> list[str]:
    return [line.removeprefix(f"deb [signed-by={KEYRING}] ") for line in source_lines(targets)]


def test_the_machines_debian_sources_are_taken() -> None:
    assert _short(BOOKWORM) == [
        f"{MIRROR} bookworm main",
        f"{MIRROR} bookworm-updates main",
        f"{SECURITY} bookworm-security main",
    ]


@pytest.mark.parametrize(
    "stranger",
    [
        Target("https://third.example/apt", "bookworm", "main", "Third"),
        Target("https://third.example/apt", "bookworm", "main", "$(ORIGIN)"),
        Target("https://third.example/debian", "bookworm", "stable", "Docker"),
        Target("https://third.example/debian", "bookworm", "main", "Third"),
        Target(MIRROR, "bookworm", "contrib", "Debian"),
        Target(MIRROR, "bookworm-backports", "main", "Debian Backports"),
        Target(MIRROR, "bookworm-backports", "main", "$(ORIGIN)"),
    ],
)
def test_sources_of_third_parties_and_other_parts_are_left_out(stranger: Target) -> None:
    assert source_lines([*BOOKWORM, stranger]) == source_lines(BOOKWORM)


def test_lists_that_were_never_fetched_are_recognized_by_the_archives_folder() -> None:
    assert _short([Target(f"{MIRROR}/", "bookworm", "main", "$(ORIGIN)")]) == [f"{MIRROR} bookworm main"]


def test_a_machine_with_another_debian_release_lends_its_mirror() -> None:
    newer = [Target(target.uri, target.release.replace("bookworm", "trixie"), "main", "Debian") for target in BOOKWORM]
    assert source_lines(newer) == source_lines(BOOKWORM)


def test_a_machine_without_debian_sources_leaves_it_to_mmdebstrap() -> None:
    assert source_lines([Target("http://ubuntu.example/ubuntu/", "noble", "main", "Ubuntu")]) == []
    assert source_lines([BOOKWORM[2]]) == []


def test_a_mirror_that_was_asked_for_replaces_the_machines_own() -> None:
    assert sources("http://asked.example/debian/") == [
        f"deb [signed-by={KEYRING}] http://asked.example/debian bookworm main"
    ]
