"""The files for CI systems: they parse, the page shows them as they are, and their lines do what they are there for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.pages import ROOT, page
from support.plugin_project import NEVER, Project

CI = ROOT / "examples" / "ci"
OURS = re.compile(r"(?:pytest|2501bench) ")


@dataclass(frozen=True)
class Pipeline:
    """What one file runs, and the files it then hands to the CI system."""

    lines: tuple[str, ...]
    artifacts: tuple[str, ...]


def github() -> Pipeline:
    job = _yaml("github-actions.yml")["jobs"]["benchmark"]
    lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
    (upload,) = (step for step in job["steps"] if "upload-artifact" in step.get("uses", ""))
    return Pipeline(tuple(lines), tuple(upload["with"]["path"].split()))


def gitlab() -> Pipeline:
    content = _yaml("gitlab-ci.yml")
    lines = [*content["scenario files"]["script"], *content["benchmark"]["script"]]
    artifacts = content["benchmark"]["artifacts"]
    return Pipeline(
        (*lines, *content["benchmark"]["after_script"]), (*artifacts["paths"], *artifacts["reports"].values())
    )


def jenkins() -> Pipeline:
    text = (CI / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}")
    lines = tuple(dict.fromkeys(re.findall(r"\bsh '([^']+)'", text)))
    return Pipeline(lines, tuple(re.findall(r"(?:testResults|artifacts): 'out/([\w.]+)'", text)))


def _yaml(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text())


@pytest.fixture
def ran(project: Project) -> Project:
    """A project with a scenario that passes and one that does not."""
    project.scenario("a/green", tags=["web"], description="a note for people")
    project.scenario("b/red", validation={"tasks": [NEVER]})
    return project


def run(project: Project, line: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-ec", line],
        cwd=project.root,
        env=project.environment() | {"PATH": path, "PYTHONSAFEPATH": "1"} | (env or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("pipeline", [github(), gitlab(), jenkins()], ids=["github", "gitlab", "jenkins"])
def test_the_lines_of_a_file_work_one_after_the_other(ran: Project, pipeline: Pipeline) -> None:
    ours = [line for line in pipeline.lines if OURS.match(line)]
    assert len(ours) >= 3
    summary = ran.root / "summary.md"
    for line in ours:
        done = run(ran, line, {"GITHUB_STEP_SUMMARY": str(summary)})
        # pytest's status says that a scenario failed; every other line has nothing to complain of.
        assert done.returncode == (1 if line.startswith("pytest ") else 0), f"{line}\n{done.stdout}{done.stderr}"
        if "--format github" in line:
            assert "::error file=scenarios/b/red/scenario.json,line=1" in done.stdout
    for artifact in pipeline.artifacts:
        place = ran.root / artifact if "/" in artifact else ran.root / "out" / artifact
        assert place.exists(), artifact
    assert "b/red" in summary.read_text().replace("\\", "")


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml", "Jenkinsfile"])
def test_the_page_shows_the_file_as_it_is(name: str) -> None:
    assert page("docs/ci.md").files()[f"examples/ci/{name}"] == (CI / name).read_text()
