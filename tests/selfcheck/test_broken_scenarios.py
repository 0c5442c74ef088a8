"""Scenarios with one flaw each, played for real: the self-check sees it, by the right claim and by no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.benchmark import Finished, benchmark

from pytest_2501bench.selfcheck.history import read_results

pytestmark = pytest.mark.namespace

BROKEN = Path(__file__).parent / "broken"
FLAWS = {
    "door-000-sound": (),
    "door-001-fault-misses": ("do_nothing", "fault"),
    "door-002-deletion-passes": ("cheat-delete",),
    "door-003-valid-fix-refused": ("alt-anew",),
    "door-004-restore-leaves": ("restore", "solve"),
    "door-005-flaky-validation": ("steady",),
    "door-006-validate-repairs": ("validate_reads",),
    "door-007-toothless-rule": ("cheat-reckless",),
}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("selfcheck")
    files = [f"--selfcheck-report={folder / 'matrix.md'}", f"--selfcheck-results={folder / 'all.jsonl'}"]
    return benchmark(str(BROKEN), "--selfcheck", "-n", "2", *files, bench_dir=folder, timeout=1800)


@pytest.fixture(scope="module")
def results(checked: Finished) -> dict[str, dict[str, dict[str, Any]]]:
    """What became of each claim, by key and claim."""
    (file,) = checked.bench_dir.glob("selfcheck/*/results.jsonl")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for result in map(json.loads, file.read_text().splitlines()):
        found.setdefault(result["key"], {})[result["claim"]] = result
    return found


def test_every_flawed_scenario_is_in_the_table() -> None:
    assert {json.loads(path.read_text())["key"] for path in BROKEN.glob("*/scenario.json")} == set(FLAWS)


@pytest.mark.parametrize("key", FLAWS)
def test_a_flaw_is_seen_by_its_claims_and_by_no_other(
    checked: Finished, results: dict[str, dict[str, dict[str, Any]]], key: str
) -> None:
    claims = results[key]
    red = {name: claim["reason"] for name, claim in claims.items() if claim["status"] != "passed"}

    assert tuple(sorted(red)) == FLAWS[key], (red, checked.output[-3000:])
    assert {claim["status"] for claim in claims.values()} <= {"passed", "failed"}


@pytest.mark.parametrize(
    ("key", "claim", "said"),
    [
        ("door-001-fault-misses", "fault", "validate.yml after prepare.yml: green, but it must be red"),
        ("door-002-deletion-passes", "cheat-delete", "task validation must be red, but is green"),
        ("door-003-valid-fix-refused", "alt-anew", "task validation: validate.yml: [door-01] The notice is right"),
        ("door-004-restore-leaves", "restore", "door-01 file:/srv/door/hours added"),
        ("door-005-flaky-validation", "steady", "validate.yml on the healthy hosts: green, then red"),
        ("door-006-validate-repairs", "validate_reads", "door-01 file:/srv/door/notice changed: content"),
        ("door-007-toothless-rule", "cheat-reckless", "not broken: 'The report speaks of the notice'"),
    ],
)
def test_a_flaw_is_told_in_words(
    results: dict[str, dict[str, dict[str, Any]]], key: str, claim: str, said: str
) -> None:
    result = results[key][claim]

    assert said in "\n".join([result["reason"], *result["lines"]])


def test_exit_status_matrix_and_page_agree_with_the_claims(checked: Finished) -> None:
    page = (checked.bench_dir / "matrix.md").read_text()

    assert checked.status == 1
    assert "1 of 8 scenarios show all that they claim" in page
    assert "door-005-flaky-validation" in checked.output
    assert "- door-006-validate-repairs validate_reads: " in page
    told = read_results(checked.bench_dir / "all.jsonl")
    assert sum(result["status"] == "failed" for result in told) == sum(len(claims) for claims in FLAWS.values())
    assert not list(checked.bench_dir.glob("results.db*")), "a self-check stores nothing with results"
    assert not list(checked.bench_dir.glob("runs")), "a self-check is no benchmark"
