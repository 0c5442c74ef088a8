"""The items ``…/scenario.json::verdict`` and ``::regression``: what all runs of a scenario say together.

The first about ``--require``, the second about ``--fail-on-regression``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_2501bench.matrix import MARK, Variant, variant_of
from pytest_2501bench.state import STATE

if TYPE_CHECKING:
    from pytest_2501bench.analysis.regression import Regression
    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.requirements import Judgement
    from pytest_2501bench.scenario.model import LoadedScenario
    from pytest_2501bench.statistics.repetition import Requirement

NAME = "verdict"
REGRESSION = "regression"
REQUIREMENT = "requirement"
"""The junit property of the first; that of the second is called like the item."""
_TOLD = {"passed": "passed", "failed": "failed", "error": "error"}  # scoring's words, pytest's words


def is_verdict(nodeid: str) -> bool:
    """Say by its id whether an item is a verdict on a scenario."""
    file, _, name = nodeid.partition("::")
    return file.endswith("scenario.json") and name.partition(MARK)[0] in (NAME, REGRESSION)


class VerdictItem(pytest.Item):
    """Passes if the runs of its scenario and variant, in this session, are together what was asked for."""

    loaded: LoadedScenario
    variant: Variant
    _outcome: str = ""
    _text: str = ""

    @classmethod
    def from_parent(  # type: ignore[override]
        cls, parent: Any, *, name: str, loaded: LoadedScenario, variant: Variant, **kw: Any
    ) -> VerdictItem:
        """Make the node, one per variant."""
        name += f"{MARK}{variant.name}" if variant.name else ""
        self: VerdictItem = super().from_parent(parent, name=name, **kw)
        self.loaded = loaded
        self.variant = variant
        self.extra_keyword_matches.update((loaded.scenario.key, *loaded.scenario.tags))
        if self.config.pluginmanager.hasplugin("rerunfailures"):
            self.add_marker(pytest.mark.flaky(reruns=0))
        return self

    def setup(self) -> None:
        """Judge; no verdict is an error, hence raised here. An xdist controller does the same with :func:`outcome`."""
        bench = self.config.stash[STATE].session
        reports = list(bench.reports.values()) if bench is not None else []
        self._outcome, self._text, judged = outcome(self.config, self.nodeid, self.loaded, reports)
        self.user_properties.extend(properties(self.nodeid, judged))
        if self._outcome == "skipped":
            pytest.skip(self._text)
        if self._outcome == "error":
            pytest.fail(self._text, pytrace=False)

    def runtest(self) -> None:
        """Raise if something is not met."""
        if self._outcome == "failed":
            pytest.fail(self._text, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where it stands."""
        return self.path, 0, f"{self.loaded.scenario.key} {self.name}"


def required(config: pytest.Config, loaded: LoadedScenario) -> tuple[Requirement, ...]:
    """Return what the scenario must reach in this session; nothing is imported for it without ``--require``."""
    asked = config.stash[STATE].settings.require
    if not asked:
        return ()
    from pytest_2501bench.requirements import applying, parse_all

    return applying(parse_all(asked), loaded.scenario.key, loaded.scenario.tags)


def items_of(file: Any, loaded: LoadedScenario, variants: Sequence[Variant]) -> Iterator[VerdictItem]:
    """Yield the verdicts on one scenario; none if nothing is asked of its runs together."""
    names = [NAME] if required(file.config, loaded) else []
    if file.config.stash[STATE].settings.fail_on_regression is not None:
        names.append(REGRESSION)
    for name in names:
        for variant in variants:
            yield VerdictItem.from_parent(file, name=name, loaded=loaded, variant=variant)


def runs_of(nodeid: str, key: str, reports: Iterable[ScenarioReport]) -> list[ScenarioReport]:
    """Return the runs that the verdict *nodeid* is on."""
    variant = variant_of(nodeid)
    return [report for report in reports if report.key == key and variant_of(report.nodeid) == variant]


def outcome(
    config: pytest.Config, nodeid: str, loaded: LoadedScenario, reports: Iterable[ScenarioReport]
) -> tuple[str, str, Sequence[Judgement | Regression]]:
    """Return ``passed``, ``failed``, ``error`` or ``skipped``, why, and the single judgements."""
    from pytest_2501bench.requirements import judgements, overall
    from pytest_2501bench.scoring.model import Status

    runs = runs_of(nodeid, loaded.scenario.key, reports)
    if not runs:
        return "skipped", "no run of this scenario was made in this session", ()
    if kind_of(nodeid) == REGRESSION:
        found = _regression(config, runs)
        return _TOLD[found.status], str(found), (found,)
    judged = judgements(required(config, loaded), runs)
    status = overall(judged)
    text = "\n".join(str(each) for each in judged)
    if status is Status.ERROR:
        text += "\nInconclusive: too many runs have no verdict (at least 90 % must), or there are fewer than asked for."
    return _TOLD[status], text, judged


def _regression(config: pytest.Config, runs: Sequence[ScenarioReport]) -> Regression:
    from pytest_2501bench.analysis.regression import regression
    from pytest_2501bench.store.rows import version_digest
    from pytest_2501bench.wiring import session_of

    bench = session_of(config)
    if bench.baseline is not None:
        return regression(runs, (report for report in bench.baseline if report.key == runs[0].key))
    digest = version_digest(runs[0].version_key)
    earlier = _before(bench.benchmark_id, bench.store.reports(key=runs[0].key, version_digest=digest))
    # All of the scenario's runs only where they are needed, to say what has changed.
    return regression(runs, earlier or _before(bench.benchmark_id, bench.store.reports(key=runs[0].key)))


def _before(benchmark_id: str, reports: Iterable[ScenarioReport]) -> list[ScenarioReport]:
    return [report for report in reports if report.benchmark_id != benchmark_id]


def kind_of(nodeid: str) -> str:
    """Return the name of a verdict without its variant."""
    return nodeid.partition("::")[2].partition(MARK)[0]


def properties(nodeid: str, judged: Iterable[Judgement | Regression]) -> list[tuple[str, object]]:
    """Return junit properties."""
    name = REGRESSION if kind_of(nodeid) == REGRESSION else REQUIREMENT
    return [(name, str(each)) for each in judged]


def counted(config: pytest.Config, loaded: LoadedScenario, gate: str) -> bool:
    """Say whether a single result of *gate* counts in a verdict, and so does not fail the session by itself."""
    if config.stash[STATE].settings.fail_on_regression is not None:
        return True
    asked = required(config, loaded)
    if not asked:
        return False
    from pytest_2501bench.requirements import covered

    return gate in covered(asked)


def nothing_left_to_decide(config: pytest.Config, loaded: LoadedScenario, variant: Variant) -> str | None:
    """Return, with ``--stop-when-decided``, why no further run of the scenario is needed; else None."""
    state = config.stash[STATE]
    asked = required(config, loaded)
    if not asked or not state.settings.stop_when_decided or state.session is None:
        return None
    if state.settings.fail_on_regression is not None:
        return None  # every run counts in that
    from pytest_2501bench.evidence.folder import read_report, runs_in_benchmark
    from pytest_2501bench.requirements import settled_early

    reports = [
        read_report(run.path)
        for run in runs_in_benchmark(state.settings.bench_dir, state.session.benchmark_id)
        if (run.path / "report.json").exists()
    ]
    nodeid = NAME + (f"{MARK}{variant.name}" if variant.name else "")
    runs = runs_of(f"scenario.json::{nodeid}", loaded.scenario.key, reports)
    return settled_early(asked, runs, state.settings.iterations)
