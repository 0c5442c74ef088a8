"""Digests: what starts a new version line, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.scenario.load import load_scenario

Write = Callable[..., Path]
RULE = {"label": "l", "validator": "pattern_match", "pattern": "x", "where": "job_plan"}
FILES = ("prepare.yml", "validate.yml", "restore.yml", "solve.yml", "README.md", "files/nginx.conf", "inventory.ini")


@pytest.fixture
def digests(write: Write) -> Callable[..., dict[str, str]]:
    def make(folder: str, *, files: dict[str, str] | None = None, **fields: Any) -> dict[str, str]:
        path = write(folder=folder, **fields)
        for name, text in (dict.fromkeys(FILES, "same") | (files or {})).items():
            (path.parent / name).parent.mkdir(exist_ok=True)
            (path.parent / name).write_text(text)
        return load_scenario(path).digests

    return make


def changed(one: dict[str, str], two: dict[str, str]) -> set[str]:
    assert one.keys() == two.keys() == {"scenario", "rules", "prepare", "validators"}
    return {name for name in one if one[name] != two[name]}


def test_the_same_content_elsewhere_has_the_same_digests(digests: Callable[..., dict[str, str]]) -> None:
    one = digests("a")
    assert changed(one, digests("b")) == set()
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in one.values())


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"ticket_body": "other"}, {"scenario"}),
        ({"ticket_title": "other"}, {"scenario"}),
        ({"hosts": [{"host_name": "a"}]}, {"scenario"}),
        ({"bench": {"hold_seconds": 3}}, {"scenario"}),
        ({"validation": {"job": [RULE]}}, {"rules"}),
        ({"validation": {"gateway": [RULE]}}, {"rules"}),
        ({"validation": {"allowedHosts": ["a"]}}, {"rules"}),
        ({"bench": {"outcome": [RULE]}}, {"rules"}),
        ({"title": "other"}, set()),
        ({"description": "other"}, set()),
        ({"tags": ["other"]}, set()),
        ({"validation": {"job": []}, "bench": {"hold_seconds": 0}, "hosts": []}, set()),
    ],
)
def test_a_field_changes_the_digest_of_what_it_decides(
    digests: Callable[..., dict[str, str]], fields: dict[str, Any], parts: set[str]
) -> None:
    assert changed(digests("a"), digests("b", **fields)) == parts


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("prepare.yml", {"prepare"}),
        ("restore.yml", {"prepare"}),
        ("validate.yml", {"validators"}),
        ("files/nginx.conf", {"prepare", "validators"}),
        ("files/validate.yml", {"prepare", "validators"}),
        ("inventory.ini", {"prepare", "validators"}),
        ("solve.yml", set()),
        ("README.md", set()),
        (".hidden", set()),
    ],
)
def test_a_file_changes_the_digest_of_what_it_decides(
    digests: Callable[..., dict[str, str]], name: str, parts: set[str]
) -> None:
    assert changed(digests("a"), digests("b", files={name: "other"})) == parts


def test_a_renamed_support_file_is_a_change(digests: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    one = digests("a")
    digests("b")
    (tmp_path / "b/files/nginx.conf").rename(tmp_path / "b/files/other.conf")
    assert changed(one, load_scenario(tmp_path / "b/scenario.json").digests) == {"prepare", "validators"}


def test_linked_folders_count_and_circles_end(digests: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    roles = tmp_path / "shared"
    roles.mkdir()
    (roles / "main.yml").write_text("one")
    digests("a")
    (tmp_path / "a/roles").symlink_to(roles)
    (roles / "loop").symlink_to(roles)
    before = load_scenario(tmp_path / "a/scenario.json").digests
    (roles / "main.yml").write_text("two")
    assert changed(before, load_scenario(tmp_path / "a/scenario.json").digests) == {"prepare", "validators"}
