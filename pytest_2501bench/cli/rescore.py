"""``2501bench validate RUN…``: score past runs again from their evidence, with today's rules."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pytest_2501bench.analysis.rescore import Rescored
    from pytest_2501bench.cli.project import Project
    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.scenario.model import LoadedScenario

FOLDER = "rescored"
"""In the bench directory: derived reports, a folder for each time."""


def rescore(words: Sequence[str], path: Path | None, bench_dir: Path) -> None:
    """Score the runs that *words* mean, print what is different, and write the derived reports.

    Raises:
        typer.Exit: a run could not be scored again.
        BenchError: a word means no run, or a scenario file is wrong.
    """
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.cli.scenarios import scenarios_folder
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.scenario.find import find_scenarios
    from pytest_2501bench.scenario.load import load_scenario

    reports = _chosen(words, bench_dir)
    project = open_project(check_mode=False)
    validators = {name: rule_type.model for name, rule_type in project.rule_types.items()}
    loaded = {}
    for file in find_scenarios(scenarios_folder(path)):
        each = load_scenario(file, validators=validators, root=Path.cwd())
        loaded[each.scenario.key] = each
    target = bench_dir / FOLDER / _stamp()
    done: list[Rescored] = []
    problems = 0
    for report in reports:
        try:
            found = _one(report, bench_dir, loaded.get(report.key), project)
        except BenchError as exc:
            typer.echo(f"{report.run_id}: {exc}", err=True)
            problems += 1
            continue
        done.append(found)
        _write(target, found)
        _show(found)
    changed = sum(bool(found.changes) for found in done)
    typer.echo(f"{len(done)} runs scored again, {changed} with another result." + (f" {target}" if done else ""))
    if problems:
        raise typer.Exit(1)


def _chosen(words: Sequence[str], bench_dir: Path) -> list[ScenarioReport]:
    from pytest_2501bench.analysis.sides import choose
    from pytest_2501bench.store.repository import Store

    with Store.open(os.environ.get("DATABASE_URL") or None, bench_dir) as store:
        benchmarks, reports = store.benchmarks(), store.reports()
    by_id = {report.run_id: report for report in reports}
    found: dict[str, ScenarioReport] = {}
    for word in words:
        some = [by_id[word]] if word in by_id else choose(word, benchmarks, reports)
        found |= {report.run_id: report for report in some}
    return list(found.values())


def _one(report: ScenarioReport, bench_dir: Path, scenario: LoadedScenario | None, project: Project) -> Rescored:
    from pytest_2501bench.analysis.rescore import rescore as anew
    from pytest_2501bench.errors import BenchError, Cause
    from pytest_2501bench.evidence.folder import EVIDENCE_FILE
    from pytest_2501bench.evidence.read import read_evidence

    if scenario is None:
        raise BenchError(
            Cause.EVIDENCE_MISSING, f"there is no scenario {report.key} here any more", remedy="-p FOLDER?"
        )
    custom = {name: rule_type.evaluate for name, rule_type in project.rule_types.items()}
    return anew(read_evidence(bench_dir / report.evidence / EVIDENCE_FILE), report, scenario, custom)


def _stamp() -> str:
    import time

    return time.strftime("%Y%m%dT%H%M%S")


def _write(target: Path, found: Rescored) -> None:
    target.mkdir(parents=True, exist_ok=True)
    text = found.report.model_dump_json(indent=2)
    (target / f"{found.source.run_id}.json").write_text(text + "\n", encoding="utf-8")


def _show(found: Rescored) -> None:
    from pytest_2501bench.report.figures import run_name

    if not found.changes and not found.kept:
        return
    typer.echo(f"{run_name(found.source)} ({found.source.run_id})")
    if found.kept:
        typer.echo(f"  task validation stays {found.source.task_validation.status}: {found.kept}")
    for line in found.changes:
        typer.echo(f"  {line}")
