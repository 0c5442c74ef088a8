"""Finding scenarios, unique keys, selection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.scenario.load import check_unique_keys, find_scenarios, load_scenario
from pytest_2501bench.scenario.select import select

Write = Callable[..., Path]
ALL = [("nginx/001", ["nginx", "web"]), ("nginx/002", ["nginx"]), ("disk/001", ["disk", "web"]), ("solo", [])]


def test_scenarios_are_found_at_any_depth_and_sorted(write: Write, tmp_path: Path) -> None:
    found = [write(folder=name) for name in ("b/c/d/e", "a", "b/a")]
    assert find_scenarios(tmp_path) == sorted(found)


def test_payload_and_hidden_folders_are_not_searched(write: Write, tmp_path: Path) -> None:
    outer = write(folder="a")
    write(folder="a/files/inner")
    write(folder=".git/x")
    write(folder="b/.cache/x")
    assert find_scenarios(tmp_path) == [outer]


def test_a_file_or_a_scenarios_own_folder_is_a_root_too(write: Write, tmp_path: Path) -> None:
    path = write(folder="a")
    assert find_scenarios(path) == find_scenarios(path.parent) == [path]
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert find_scenarios(other) == []


def test_a_link_to_a_folder_above_does_not_end_in_a_circle(write: Write, tmp_path: Path) -> None:
    path = write(folder="a/b")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert find_scenarios(tmp_path) == [path]


def test_a_shared_key_names_both_files(write: Write, tmp_path: Path) -> None:
    loaded = [load_scenario(write(folder=name)) for name in ("a", "b")] + [load_scenario(write(folder="c", key="c"))]
    with pytest.raises(BenchError) as caught:
        check_unique_keys(loaded, root=tmp_path)
    assert caught.value.cause is Cause.SCENARIO_INVALID
    assert caught.value.message == (
        "b/scenario.json: /key: 'nginx/001' is the key of a/scenario.json already. Keys must be unique."
    )


def test_different_keys_and_the_same_file_twice_are_fine(write: Write) -> None:
    one, two = load_scenario(write(folder="a", key="a")), load_scenario(write(folder="b", key="b"))
    check_unique_keys([one, two, one])


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ("solo", {"solo"}),
        ("nginx", {"nginx/001", "nginx/002"}),
        ("web,solo", {"nginx/001", "disk/001", "solo"}),
        (" nginx/002 ,\tdisk ,, ", {"nginx/002", "disk/001"}),
        ("nginx,nginx/001", {"nginx/001", "nginx/002"}),
    ],
)
def test_keys_and_tags_are_freely_mixed(wanted: str, keys: set[str]) -> None:
    assert select(ALL, wanted) == keys


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("ngnix", "--scenarios: 'ngnix' matches no key and no tag. Did you mean 'nginx'?"),
        ("nginx,DISK", "--scenarios: 'DISK' matches no key and no tag. Did you mean 'disk'?"),
        (
            "zzz",
            "--scenarios: 'zzz' matches no key and no tag."
            " There are: nginx, web, disk, disk/001, nginx/001, nginx/002, solo.",
        ),
        (
            "dsk,slo",
            "--scenarios: 'dsk' matches no key and no tag. Did you mean 'disk'?\n"
            "--scenarios: 'slo' matches no key and no tag. Did you mean 'solo'?",
        ),
        (" , ", "--scenarios: ' , ' names no key and no tag"),
        ("", "--scenarios: '' names no key and no tag"),
    ],
)
def test_words_that_match_nothing_are_told_with_the_nearest(wanted: str, message: str) -> None:
    with pytest.raises(BenchError) as caught:
        select(ALL, wanted)
    assert caught.value.cause is Cause.OPTION_INVALID
    assert caught.value.message == message


def test_the_source_of_the_selection_can_be_named() -> None:
    with pytest.raises(BenchError, match=r"^-s: 'x' matches no key and no tag\. There is no scenario\.$"):
        select([], "x", option="-s")


def test_a_long_list_of_words_is_cut() -> None:
    with pytest.raises(BenchError, match=r"k00, .*k11\.$"):
        select([(f"k{number:02}", []) for number in range(12)], "zzzz")
    with pytest.raises(BenchError, match=r"k00, .*k11, … \(18 more\)\.$"):
        select([(f"k{number:02}", []) for number in range(30)], "zzzz")
