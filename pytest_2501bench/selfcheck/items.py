"""The items of ``--selfcheck``: ``scenarios/nginx/001-broken-config/scenario.json::selfcheck::healthy``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.selfcheck.claims import Claim, claims_of
from pytest_2501bench.state import STATE

PROPERTY: Final = "selfcheck"
"""Name of the report's property that holds a claim's result, as JSON."""


class Selfcheck(pytest.Collector):
    """All claims of one scenario; what is played for one serves the others too."""

    loaded: LoadedScenario
    _rehearsal: Any = None

    @classmethod
    def of(cls, parent: pytest.Collector, loaded: LoadedScenario) -> Selfcheck:
        """Make the node."""
        self: Selfcheck = cls.from_parent(parent, name="selfcheck")
        self.loaded = loaded
        return self

    def collect(self) -> Iterator[ClaimItem]:
        """Yield an item per claim."""
        for claim in claims_of(self.loaded):
            yield ClaimItem.of(self, claim)

    @cached_property
    def digest(self) -> str:
        """The state of the scenario that the results are of."""
        from pytest_2501bench.selfcheck.history import selfcheck_digest

        return selfcheck_digest(self.loaded)

    @property
    def rehearsal(self) -> Any:
        """What plays the scenario, made on first use."""
        if self._rehearsal is None:
            from pytest_2501bench.selfcheck.rehearsal import Rehearsal
            from pytest_2501bench.wiring import announcer_of, session_of

            bench = session_of(self.config)
            key = self.loaded.scenario.key.replace("/", "+")
            self._rehearsal = Rehearsal(
                bench,
                self.loaded,
                bench.settings.bench_dir / "selfcheck" / bench.benchmark_id / key,
                announcer_of(self.config),
                bench.settings.iterations,
            )
        return self._rehearsal


class ClaimItem(pytest.Item):
    """One claim. A claim that is not so fails; one that could not be looked at is an error."""

    claim: Claim
    _finding: Any = None

    @classmethod
    def of(cls, parent: Selfcheck, claim: Claim) -> ClaimItem:
        """Make the node."""
        self: ClaimItem = cls.from_parent(parent, name=claim.name)
        self.claim = claim
        if self.config.pluginmanager.hasplugin("rerunfailures"):
            self.add_marker(pytest.mark.flaky(reruns=0))
        return self

    @property
    def loaded(self) -> LoadedScenario:
        """The scenario."""
        assert isinstance(self.parent, Selfcheck)
        return self.parent.loaded

    def setup(self) -> None:
        """Look whether the claim holds; no answer is an error, hence raised here."""
        from pytest_2501bench.run import skip_reason
        from pytest_2501bench.scoring.model import Status
        from pytest_2501bench.wiring import session_of

        assert isinstance(self.parent, Selfcheck)
        reason = skip_reason(session_of(self.config), self.loaded)
        if reason is not None:
            pytest.skip(reason)
        self._finding, seconds = self.parent.rehearsal.finding(self.claim)
        self.user_properties.append((PROPERTY, json.dumps(self._result(seconds))))
        if self._finding.status is Status.ERROR:
            pytest.fail(self._message(), pytrace=False)

    def runtest(self) -> None:
        """Raise if the claim does not hold."""
        from pytest_2501bench.scoring.model import Status

        if self._finding.status is Status.FAILED:
            pytest.fail(self._message(), pytrace=False)

    def _message(self) -> str:
        folder = self.parent.rehearsal.folder  # type: ignore[union-attr]
        lines = [f"{self.loaded.scenario.key}: {self.claim.what}", f"not so: {self._finding.reason}"]
        lines += [f"  {line}" for line in self._finding.lines]
        return "\n".join([*lines, f"logs: {folder}"])

    def _result(self, seconds: float) -> dict[str, Any]:
        return {
            "key": self.loaded.scenario.key,
            "claim": self.claim.name,
            "column": self.claim.column,
            "status": self._finding.status.value,
            "reason": self._finding.reason,
            "lines": list(self._finding.lines),
            "seconds": round(seconds, 2),
            "times": self.config.stash[STATE].settings.iterations,
            "mode": self.config.stash[STATE].settings.mode,
            "digest": self.parent.digest,  # type: ignore[union-attr]
            "session": self.parent.rehearsal.bench.benchmark_id,  # type: ignore[union-attr]
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where it stands."""
        return self.path, 0, f"{self.loaded.scenario.key} {self.name}"
