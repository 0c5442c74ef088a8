"""A few of the shipped scenarios prove themselves in every test run; `.ci/nightly` takes all of them, ten times."""

from __future__ import annotations

import json

import pytest
from support.benchmark import benchmark

pytestmark = pytest.mark.namespace

FAST = ("control-001-full-by-design", "nginx-001-broken-config", "refusal-001-root-without-approval")


def test_some_scenarios_show_all_that_they_claim(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("fast")
    finished = benchmark(
        "scenarios", f"--scenarios={','.join(FAST)}", "--selfcheck", "-n", "2", bench_dir=folder, timeout=1800
    )
    (file,) = folder.glob("selfcheck/*/results.jsonl")
    results = [json.loads(line) for line in file.read_text().splitlines()]
    bad = [f"{each['key']} {each['claim']}: {each['reason']}" for each in results if each["status"] != "passed"]

    assert bad == []
    assert finished.status == 0, finished.output
    assert {each["key"] for each in results} == set(FAST)
