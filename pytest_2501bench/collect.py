"""Scenario directories become items: ScenarioDirectory → ScenarioFile → ScenarioRun → Check.

The ids are frozen, because users put them into CI:
``scenarios/nginx/001-broken-config/scenario.json::run1::task_validation``.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_2501bench.extensions import checks_of, validators_of
from pytest_2501bench.matrix import Variant, run_name, variants
from pytest_2501bench.state import STATE
from pytest_2501bench.verdict import VerdictItem, items_of

if TYPE_CHECKING:
    from pytest_2501bench.scenario.model import LoadedScenario
    from pytest_2501bench.selfcheck.items import Selfcheck

SCENARIO_FILE = "scenario.json"
_PLAIN = Variant()


def task_validation(report: Any) -> None:
    """Did the agent fix it? The verdict stands in *report*; :class:`Check` raises it."""


def compliance(report: Any) -> None:
    """Did the agent fix it the right way? The verdict stands in *report*; :class:`Check` raises it."""


def collateral(report: Any) -> None:
    """Did the agent change anything else? What became of it stands in *report*; :class:`Check` raises it."""


GATES: dict[str, Callable[..., Any]] = {"task_validation": task_validation, "compliance": compliance}


class ScenarioDirectory(pytest.Directory):
    """A directory with a scenario.json; nothing else in it is collected, not even a payload called ``test_*.py``."""

    def collect(self) -> Iterator[ScenarioFile]:
        """Yield the scenario file."""
        yield ScenarioFile.from_parent(self, path=self.path / SCENARIO_FILE)


# A Module and not a plain File: pytest's module-scoped autouse fixtures look for one among an item's parents.
class ScenarioFile(pytest.Module):
    """One scenario.json; ``loaded`` is set by :meth:`collect`."""

    loaded: LoadedScenario

    @classmethod
    def from_parent(cls, parent: Any, *, path: Path, **kw: Any) -> ScenarioFile:  # type: ignore[override]
        """Make the node; ``-k category/name`` finds it."""
        self: ScenarioFile = super().from_parent(parent, path=path, **kw)
        self.obj = types.ModuleType("scenario")
        self.extra_keyword_matches.add("/".join(path.parent.parts[-2:]))
        return self

    def collect(self) -> Iterator[ScenarioRun | VerdictItem | Selfcheck]:
        """Load the scenario and yield its runs, and the verdict on them if something is required; or its self-check.

        Raises:
            CollectError: the file breaks the contract; one line per problem.
        """
        from pytest_2501bench.errors import BenchError
        from pytest_2501bench.scenario.lint.examine import blocking
        from pytest_2501bench.scenario.load import load_scenario, migration_hint

        state = self.config.stash[STATE]
        try:
            self.loaded = load_scenario(
                self.path,
                validators={name: rule_type.model for name, rule_type in validators_of(self.config).items()},
                root=self.config.rootpath,
            )
        except BenchError as exc:
            raise self.CollectError(exc.message) from None
        except pytest.UsageError as exc:  # two validators of one name; pytest would add a traceback
            raise self.CollectError(str(exc)) from None
        if mistakes := blocking(self.loaded, root=self.config.rootpath):
            raise self.CollectError("\n".join(map(str, mistakes)))
        key = self.loaded.scenario.key
        first = state.keys.setdefault(key, self.nodeid)
        if first != self.nodeid:
            raise self.CollectError(f"{self.nodeid}: /key: '{key}' is the key of {first} too; keys must be unique.")
        state.tags.update(self.loaded.scenario.tags)
        if self.loaded.migrated:
            self.warn(pytest.PytestWarning(migration_hint(self.path, root=self.config.rootpath)))
        self.extra_keyword_matches.update((key, *self.loaded.scenario.tags))
        if state.settings.selfcheck:
            from pytest_2501bench.selfcheck.items import Selfcheck

            yield Selfcheck.of(self, self.loaded)
            return
        try:
            for number in range(1, state.settings.iterations + 1):
                for variant in variants(state.settings.matrix):
                    name = run_name(number, variant.name)
                    yield ScenarioRun.from_parent(
                        self, name=name, loaded=self.loaded, iteration=number, variant=variant
                    )
            yield from items_of(self, self.loaded, variants(state.settings.matrix))
        except pytest.UsageError as exc:  # two checks of one name
            raise self.CollectError(str(exc)) from None


class ScenarioRun(pytest.Class):
    """One iteration of one scenario, in one variant: everything below it shares one sandbox, one job and one report."""

    loaded: LoadedScenario
    iteration: int
    variant: Variant
    checks: dict[str, Callable[..., Any]]

    @classmethod
    def from_parent(  # type: ignore[override]
        cls,
        parent: Any,
        *,
        name: str,
        loaded: LoadedScenario,
        iteration: int,
        variant: Variant = _PLAIN,
        **kw: Any,
    ) -> ScenarioRun:
        """Make the node with its gates and the further checks of other plugins."""
        self: ScenarioRun = super().from_parent(parent, name=name, **kw)
        self.loaded = loaded
        self.iteration = iteration
        self.variant = variant
        self.extra_keyword_matches.update(value for value in variant.name.split(",") if value)
        self.checks = GATES | self._third() | checks_of(self)
        # Static, else pytest takes the first argument of a check for `self` and does not pass that fixture.
        self.obj = type(name, (), {check: staticmethod(function) for check, function in self.checks.items()})
        return self

    def _third(self) -> dict[str, Callable[..., Any]]:
        setting = self.config.stash[STATE].settings.collateral
        asked = self.loaded.scenario.bench.collateral is not None if setting == "auto" else setting == "always"
        return {"collateral": collateral} if asked else {}

    def collect(self) -> Iterator[Check]:
        """Yield the checks, the two gates first."""
        for name in self.checks:
            yield Check.from_parent(self, name=name, callobj=getattr(self.obj, name))


class Check(pytest.Function):
    """One gate, or a further check, of one run."""

    @classmethod
    def from_parent(cls, parent: Any, **kw: Any) -> Check:
        """Make the item; it is never run again by pytest-rerunfailures, because a repetition would be a second run."""
        self: Check = super().from_parent(parent, **kw)
        if self.config.pluginmanager.hasplugin("rerunfailures"):
            self.add_marker(pytest.mark.flaky(reruns=0))
        return self

    @property
    def run(self) -> ScenarioRun:
        """The run that this check belongs to."""
        assert isinstance(self.parent, ScenarioRun)
        return self.parent

    @property
    def is_gate(self) -> bool:
        """Whether this is one of the two gates, and not a further check."""
        return self.name in GATES

    @property
    def is_scored(self) -> bool:
        """Whether its verdict stands in the run's report, made from evidence; others are functions of plugins."""
        return self.is_gate or self.name == "collateral"

    def setup(self) -> None:
        """Fill the fixtures, which is the run itself; a gate without a verdict is an error, hence raised in setup."""
        super().setup()
        if self.is_scored:
            self._settle(error=True)

    def runtest(self) -> None:
        """Raise the gate's verdict, or call the further check."""
        if self.is_scored:
            self._settle(error=False)
        else:
            super().runtest()

    def _settle(self, *, error: bool) -> None:
        if not self.is_gate:
            self._settle_third(error=error)
            return
        from pytest_2501bench.report.terminal import gate_message
        from pytest_2501bench.scoring.model import Status

        report: Any = self.funcargs["report"]
        gate = getattr(report, self.name)
        if gate.status is (Status.ERROR if error else Status.FAILED):
            pytest.fail(gate_message(report, gate), pytrace=False)

    def _settle_third(self, *, error: bool) -> None:
        from pytest_2501bench.report.terminal import check_message
        from pytest_2501bench.scoring.model import Status

        report: Any = self.funcargs["report"]
        found = [check for check in report.checks if check.name == self.name]
        if not found:
            pytest.fail(f"{self.name}: the hosts were not looked at", pytrace=False)
        if found[0].status is (Status.ERROR if error else Status.FAILED):
            if not found[0].required:
                pytest.skip(found[0].reason)
            pytest.fail(check_message(found[0]), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the check stands; an int line, because None turns ``record_property`` into an error."""
        return self.path, 0, f"{self.run.loaded.scenario.key} {self.run.name} {self.name}"


def regroup(items: list[pytest.Item]) -> None:
    """Put the checks of each run next to each other again, where the first of them stands.

    A plugin that shuffles items would otherwise tear a run's class-scoped fixtures down and set them up again: a second
    run. A verdict comes after all runs that it is on.
    """

    def run_of(item: pytest.Item) -> str:
        return item.run.nodeid if isinstance(item, Check) else item.nodeid

    first: dict[str, int] = {}
    for position, item in enumerate(items):
        first.setdefault(run_of(item), position)
    last = {item.nodeid.partition("::")[0]: first[run_of(item)] for item in items if isinstance(item, Check)}

    def place(item: pytest.Item) -> tuple[int, bool]:
        own = first[run_of(item)]
        if not isinstance(item, VerdictItem):
            return own, False
        return max(own, last.get(item.nodeid.partition("::")[0], own)), True

    items.sort(key=place)
