"""Repetitions of several sessions add up, of the same state of a scenario only, and nothing red is lost among them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.selfcheck.history import append_line, current, origin, read_results, selfcheck_digest
from pytest_2501bench.selfcheck.matrix import page, rows_of

SOUND = Path(__file__).parent / "broken" / "000-sound"


def result(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "key": "door-001",
        "claim": "fault",
        "column": "fault",
        "status": "passed",
        "reason": "",
        "lines": [],
    }
    whole |= {"seconds": 1.0, "times": 1, "mode": "namespace", "digest": "d1", "session": "s1"}
    return whole | {"finished_at": "2026-11-30T10:00:00Z"} | changes


def matrix(*results: dict[str, Any]) -> str:
    told = current(results, "namespace")
    return page(rows_of(told, {}), "namespace", origin(told))


def test_repetitions_of_sessions_add_up() -> None:
    text = matrix(result(times=4), result(session="s2", times=6, finished_at="2026-12-01T01:00:00Z"))

    assert "(2 sessions, 2026-11-30 to 2026-12-01)" in text
    assert "checked 10 times in mode `namespace`; 1 of 1 scenarios" in text
    assert "| door-001 | · | ✓ |" in text
    assert text.count("· | 10 |") == 1


def test_a_scenario_is_checked_as_often_as_the_claim_that_was_checked_least() -> None:
    assert "checked 3 times" in matrix(result(times=10), result(claim="solve", column="solve", times=3))


def test_red_once_is_red_for_good() -> None:
    text = matrix(result(), result(status="failed", reason="green, but it must be red"), result())

    assert "| door-001 | · | ✗ |" in text
    assert "0 of 1 scenarios" in text
    assert "- door-001 fault: green, but it must be red" in text


def test_what_could_not_be_seen_is_no_repetition_and_is_told() -> None:
    text = matrix(result(), result(status="error", reason="sandbox\nnot made"), result())

    assert "checked 2 times" in text
    assert "1 of 1 scenarios" in text
    assert "- door-001 fault, 1 of 3: sandbox not made" in text
    assert "| door-001 | · | ! |" in matrix(result(status="error", reason="x"))


def test_results_of_an_older_state_and_of_other_modes_are_left_out() -> None:
    text = matrix(
        result(status="failed", reason="old", digest="d0"), result(status="failed", reason="vm", mode="incus"), result()
    )

    assert "checked once" in text
    assert "✗ |" not in text


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("validate.yml", True),
        ("cheat-delete.yml", True),
        ("scenario.json", True),
        ("files/new", True),
        ("README.md", False),
        (".hidden", False),
    ],
)
def test_the_state_of_a_scenario_is_every_file_that_a_claim_depends_on(tmp_path: Path, name: str, counts: bool) -> None:
    shutil.copytree(SOUND, tmp_path / "door")
    before = selfcheck_digest(load_scenario(tmp_path / "door" / "scenario.json"))
    file = tmp_path / "door" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text((file.read_text() if file.exists() else "") + "\n")

    assert (selfcheck_digest(load_scenario(tmp_path / "door" / "scenario.json")) != before) is counts


def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    append_line(file, json.dumps(result()))
    with file.open("a") as opened:
        opened.write(json.dumps(result())[:40])
    append_line(file, json.dumps(result(session="s2")))

    assert [told["session"] for told in read_results(file)] == ["s1", "s2"]
    assert read_results(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "results.jsonl:1: not a result of --selfcheck: it is no JSON object"), ('{"key": "x"}', "it has no claim")],
)
def test_another_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "results.jsonl").write_text(text + "\n")

    with pytest.raises(ValueError, match=said):
        read_results(tmp_path / "results.jsonl")
