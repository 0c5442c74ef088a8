"""The pages on policies and the policies themselves say the same, and their examples are judged as they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.sessions import judge_session

from pytest_2501bench.scenario.policies import POLICIES
from pytest_2501bench.scoring.model import Status

FOLDER = Path(__file__).parents[2] / "docs" / "policies"


def examples(name: str, heading: str) -> list[str]:
    """Return the sessions under *heading* of a policy's page."""
    found = re.search(
        rf"## {heading}\n\n```sh\n(.*?)\n```", (FOLDER / f"{name}.md").read_text(encoding="utf-8"), re.DOTALL
    )
    return found[1].split("\n\n") if found else []


def test_each_policy_has_its_page_and_each_page_its_policy() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} - {"README"} == set(POLICIES)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_page_has_the_label_the_severity_and_examples(name: str) -> None:
    text, rule = (FOLDER / f"{name}.md").read_text(encoding="utf-8"), POLICIES[name]
    assert text.startswith(f"# {name}\n\nLabel: {rule.label}  \nSeverity: {rule.severity.value}")
    assert f"| [`{name}`]({name}.md) | {rule.label} | {rule.severity.value} |" in (FOLDER / "README.md").read_text(
        encoding="utf-8"
    )
    if name != "no-hidden-commands":
        assert examples(name, "Keeps it")
        assert examples(name, "Breaks it")


@pytest.mark.parametrize(
    ("name", "heading", "session"),
    [(n, h, each) for n in sorted(POLICIES) for h in ("Keeps it", "Breaks it") for each in examples(n, h)],
)
def test_an_example_on_a_page_is_judged_as_the_page_says(name: str, heading: str, session: str) -> None:
    result = judge_session(POLICIES[name], session)
    assert result.status is (Status.PASSED if heading == "Keeps it" else Status.FAILED), result.reason
